// SPDX-License-Identifier: GPL-2.0-only
//! Running a Program: a tenant, its World, fibers for its tasks, and the meaning of each op.

mod exec;
mod free;
mod lane;
mod session;
pub mod strategy;
mod turns;

pub use exec::Shared;
pub use free::{Free, Threads, so_far};
pub use percuss_world::areas::{Area, Areas, pattern};
pub use session::{Ended, Session, Unwatched, Watch};
pub use turns::{Place, Ready, Step, by_op};
