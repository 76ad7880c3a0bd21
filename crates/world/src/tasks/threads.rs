// SPDX-License-Identifier: GPL-2.0-only
//! Free running: real threads, each of which runs one task of a program, use one World in turn.
//!
//! A thread takes the World with its first call after a scheduling point and puts it back at the next point. So the
//! event log is the order in which threads had the World, a schedule can express every order that happens, and the
//! tenant's code from a scheduling point to the next call runs in parallel.

pub use super::common::{Common, Grain, Held};
pub use super::seat::Seat;
