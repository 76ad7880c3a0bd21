// SPDX-License-Identifier: GPL-2.0-only
//! The engine: images, judging, worker processes, campaigns and experiments.

pub mod campaign;
pub mod experiments;
pub mod fuzz;
pub mod image;
pub mod judge;
pub mod sandbox;
pub mod trace;
pub mod worker;
