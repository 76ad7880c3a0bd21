// SPDX-License-Identifier: GPL-2.0-only
//! As lockstep, with memory under pressure, shrinkers, and locks of file systems and devices.
#![no_main]

percuss_fuzz::target!("reclaim");
