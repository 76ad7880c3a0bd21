// SPDX-License-Identifier: GPL-2.0-only
//! As lockstep, with several tasks on real threads. The order in which they had the World is replayed.
#![no_main]

percuss_fuzz::target!("threads");
