// SPDX-License-Identifier: GPL-2.0-only
//! Lock order: an engine that sees a run's events and says which lock order, interrupt and wait-type rules it breaks.
//!
//! It follows the rules of the kernel's lockdep (Documentation/locking/lockdep-design.rst) and prints reports of the same
//! shape, but goes on after the first, and knows one class the kernel does not: `io_reclaim`, what an allocation with
//! `__GFP_IO` may wait for.
//!
//! ```
//! use percuss_lockdep::{Lockdep, Options};
//!
//! let mut lockdep = Lockdep::new(Options::default());
//! lockdep.run(&[]);
//! lockdep.finish(&|_index| None);
//! assert!(lockdep.reports().is_empty());
//! ```

mod check;
mod class;
mod conflict;
mod context;
mod declared;
mod depend;
mod engine;
mod feed;
mod graph;
mod matrix;
mod place;
mod raise;
mod reclaim;
mod report;
mod text;
mod usage;

#[cfg(test)]
mod tests;

pub use class::{CLASSES, Class, ClassDef, ClassTable, Wait};
pub use conflict::{Conflict, Trouble};
pub use engine::{Lockdep, Options};
pub use graph::{Difference, Edge, Graph, Name, Origin, Part, Use};
pub use matrix::{Dep, Read};
pub use place::{Call, Place};
pub use report::{CallSite, Kind, Link, Lock, Report};
pub use usage::Usage;
