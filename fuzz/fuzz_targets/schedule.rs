// SPDX-License-Identifier: GPL-2.0-only
//! As lockstep, with several tasks that are preempted at the scheduling points that the input names. The fuzzer thus
//! searches schedules in the same way as programs.
#![no_main]

percuss_fuzz::target!("schedule");
