// SPDX-License-Identifier: GPL-2.0-only
//! The World: a simulated kernel, owned by one run, that records what its tenant does.

pub mod digest;
pub mod event;
pub mod gfp;
pub mod kernel;
