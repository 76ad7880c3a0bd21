// SPDX-License-Identifier: GPL-2.0-only
//! Running a Program: a tenant, its World, fibers for its tasks, and the meaning of each op.
//!
//! One rule holds in all of this crate: no borrow lives across a switch. A tenant call, and any World call that may
//! pause a task, can let other tasks run or end the program, and then the stack is abandoned without unwinding. A
//! borrow of the World or of [`Shared`] that is alive there makes the next task panic, or stays borrowed for ever.

mod exec;
mod free;
mod lane;
mod schedule;
mod session;
pub mod strategy;
mod turns;

pub use exec::Shared;
pub use free::{Free, Threads, so_far};
pub use percuss_world::areas::{Area, Areas, pattern};
pub use session::{Ended, Session, Unwatched, Watch};
pub use turns::{OpPosition, Ready, TurnEnd, by_op};
