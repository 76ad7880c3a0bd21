// SPDX-License-Identifier: GPL-2.0-only
//! As lockstep, with several tasks on real threads. The kernel of the machine decides which of them runs, so the order
//! in which the threads had the World is noted and replayed.
#![no_main]

percuss_fuzz::target!("threads");
