// SPDX-License-Identifier: GPL-2.0-only
//! Traces of real kernels.
#![no_main]

percuss_fuzz::target!("trace");
