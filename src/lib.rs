// SPDX-License-Identifier: GPL-2.0-only
//! percuss runs the kernel's unmodified percpu allocator in lockstep with a Rust Model on one simulated kernel, and
//! reports what differs, leaks or breaks a rule.
//!
//! The command line is the usual way in; this library is what it is made of. A [`program::Program`] decides everything that
//! happens in a run: the machine, each task's calls, which allocations fail, and when tasks are switched. It runs on a
//! [`world`], which gives an allocator everything a kernel would, and notes each call as an event. The allocator is a compiled
//! tree ([`image`], reached through [`tenant`]) or the [`model`]. The [`oracle`] crate and [`judge`] turn what happened into
//! findings, and [`campaign`] does so for many programs in worker processes.
//!
//! # Example
//!
//! The Model needs no kernel tree. This program asks for the 256 bytes that it has just freed, in atomic context. An
//! allocator with the bugs of 6.12 says that there is no room, and one without them finds it:
//!
//! ```
//! use percuss::judge::ModelRun;
//! use percuss::kernel::event::Event;
//! use percuss::model::{Facts, Quirks};
//! use percuss::program::Program;
//!
//! let program: Program = "
//! boot static=8K dyn=20K cpus=4
//! task a
//!   a = alloc 8192
//!   b = alloc 256
//!   c = alloc 12032
//!   free b
//!   d = alloc 256 align 4 gfp GFP_ATOMIC
//! "
//! .parse()?;
//!
//! // The result of the fifth op: an address, or 0 for NULL.
//! let fifth = |quirks: Quirks| -> std::io::Result<Option<u64>> {
//!     let mut run = ModelRun::new(Facts::default(), quirks)?;
//!     run.run(&program)?;
//!     let events = run.session.shared().host.world().events().to_vec();
//!     Ok(events.iter().find_map(|event| match event {
//!         Event::OpEnd { op: 4, result } => Some(*result),
//!         _ => None,
//!     }))
//! };
//! assert_eq!(fifth(Quirks::v6_12())?, Some(0));
//! assert!(fifth(Quirks::none())?.is_some_and(|address| address != 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `docs/architecture.md` in the repository has the floors of the crates, the life of a program and where to add what.
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
