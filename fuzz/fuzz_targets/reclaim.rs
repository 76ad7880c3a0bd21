// SPDX-License-Identifier: GPL-2.0-only
//! As lockstep, with memory under pressure, shrinkers, and locks of file systems and devices. Here the masks of
//! allocations matter: a wrong one enters reclaim with a lock that reclaim needs.
#![no_main]

percuss_fuzz::target!("reclaim");
