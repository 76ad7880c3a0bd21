// SPDX-License-Identifier: GPL-2.0-only
//! The parser of traces that real kernels recorded. A trace comes from a user's file, so no text may make it panic.
#![no_main]

percuss_fuzz::target!("trace");
