// SPDX-License-Identifier: GPL-2.0-only
//! Tasks: the fibers and threads that they run on, and the World's side of the ops they run.
//!
//! [`fiber`] switches between tasks on one thread, [`threads`] lets real threads use one World in turn. [`ops`] and
//! `switch` note in the World which op and which context run.

mod common;
pub mod fiber;
mod guard;
pub mod ops;
mod seat;
mod switch;
pub mod threads;
