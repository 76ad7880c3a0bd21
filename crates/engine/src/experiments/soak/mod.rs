// SPDX-License-Identifier: GPL-2.0-only
//! Soak: epochs of a program on real threads, each from a fresh boot, recorded and replayed on the image and the Model.

mod drive;
mod hunt;
pub mod races;
mod state;

pub use drive::{Totals, Until, soak};
pub use hunt::{HuntError, Hunted, hunt};
pub use state::{StateError, load, save};
