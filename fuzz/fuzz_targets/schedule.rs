// SPDX-License-Identifier: GPL-2.0-only
//! As lockstep, with several tasks, preempted at the scheduling points that the input names.
#![no_main]

percuss_fuzz::target!("schedule");
