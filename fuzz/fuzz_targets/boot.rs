// SPDX-License-Identifier: GPL-2.0-only
//! As lockstep, on a new machine for every input: geometries and first-chunk builders.
#![no_main]

percuss_fuzz::target!("boot");
