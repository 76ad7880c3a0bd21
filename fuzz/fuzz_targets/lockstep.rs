// SPDX-License-Identifier: GPL-2.0-only
//! The linked image in lockstep with the Model, under every oracle. A new finding ends the run and is reported as a
//! text program, which `percuss replay` runs without a fuzzer.
#![no_main]

percuss_fuzz::target!("lockstep");
