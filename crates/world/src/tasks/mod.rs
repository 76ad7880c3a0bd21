// SPDX-License-Identifier: GPL-2.0-only
//! Tasks: the fibers and threads that they run on, and the World's side of the ops they run.

pub mod fiber;
pub mod ops;
mod switch;
pub mod threads;
