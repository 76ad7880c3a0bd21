// SPDX-License-Identifier: GPL-2.0-only
//! As lockstep, on a new machine for every input, for geometries and first-chunk builders. The other targets keep one
//! machine, which they reset between programs.
#![no_main]

percuss_fuzz::target!("boot");
