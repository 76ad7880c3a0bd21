// SPDX-License-Identifier: GPL-2.0-only
//! Lock order: an engine that reads the events of a run and reports which lock-order, interrupt and wait-type rules the
//! run breaks.
//!
//! It follows the rules of the kernel's lockdep (Documentation/locking/lockdep-design.rst) and prints reports of the
//! same shape, so that a kernel developer can read them without learning anything. It differs in two ways. It goes on
//! after the first report, and it knows one class that the kernel does not have: `io_reclaim`, which stands for what an
//! allocation with `__GFP_IO` may wait for. The kernel's `fs_reclaim` is taken for `__GFP_FS` only, so it cannot see a
//! `GFP_NOFS` allocation that waits for IO under a lock that IO needs.
//!
//! A lock belongs to a *class*; rules are about classes, as in the kernel. Taking B with A held makes the *dependency*
//! A -> B, and a cycle of dependencies is a possible deadlock even if no run ever got stuck.
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
mod gained;
mod graph;
mod matrix;
mod place;
mod raise;
mod reclaim;
mod report;
mod text;
mod trouble;
mod usage;

#[cfg(test)]
mod tests;

pub use class::{CLASSES, Class, ClassDef, ClassTable, Wait};
pub use conflict::Conflict;
pub use engine::{Lockdep, Options};
pub use graph::{Difference, Edge, Graph, Origin, Part, Use};
pub use matrix::{Dep, Read};
pub use place::{Call, Place};
pub use report::{CallSite, Kind, Link, Lock, Report};
pub use trouble::{Name, Trouble};
pub use usage::Usage;
