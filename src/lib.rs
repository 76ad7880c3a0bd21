// SPDX-License-Identifier: GPL-2.0-only
//! percuss: the kernel's unmodified percpu allocator in lockstep with a Rust Model on one simulated kernel.
#![warn(missing_docs)]

pub use percuss_data as data;
pub use percuss_engine::{campaign, experiments, fuzz, image, judge, sandbox, trace, worker};
pub use percuss_kernel as kernel;
pub use percuss_lockdep as lockdep;
pub use percuss_model as model;
pub use percuss_oracle as oracle;
pub use percuss_program as program;
pub use percuss_run as run;
pub use percuss_source::{edit, files, patch, tree};
pub use percuss_tenant as tenant;
pub use percuss_world as world;

pub mod report;
