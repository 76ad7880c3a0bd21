// SPDX-License-Identifier: GPL-2.0-only
//! percuss: the kernel's unmodified percpu allocator in lockstep with a Rust Model on one simulated kernel.
#![forbid(unsafe_op_in_unsafe_fn)]

pub mod audit;
pub mod campaign;
pub mod detection;
pub mod edit;
mod files;
pub mod fuzz;
pub mod image;
pub mod interleaving;
pub mod lockdep;
pub mod model;
pub mod oracle;
pub mod patch;
pub mod program;
pub mod report;
pub mod run;
pub mod sandbox;
pub mod scenario;
pub mod soak;
pub mod tenant;
pub mod trace;
pub mod tree;
pub mod world;
