// SPDX-License-Identifier: GPL-2.0-only
//! Running a Program: a tenant, its World, fibers for its tasks, and the meaning of each op.

mod content;
mod exec;
mod free;
mod lane;
mod session;
pub mod strategy;
#[cfg(test)]
mod tests;
mod turns;

pub use crate::world::areas::{Area, Areas, pattern};
pub use content::ContentError;
pub use exec::{DRAIN, Shared, op_number};
pub use free::{Free, Threads, so_far};
pub use session::{Ended, Session, Unwatched, Watch, op_at};
pub use turns::{Place, Ready, Step, by_op};
