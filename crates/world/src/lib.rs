// SPDX-License-Identifier: GPL-2.0-only
//! The World: a simulated kernel, owned by one run, that records what its tenant does.
//!
//! `percuss_kernel` says what a tenant may ask for and what it is seen to do; this crate is how the World does it.

pub mod areas;
pub mod arena;
mod core;
mod ext;
mod fault;
pub mod fiber;
mod heap;
mod host;
mod locks;
pub mod log;
mod memblock;
pub mod memcg;
mod memory;
mod metadata;
mod named;
mod ops;
mod pages;
mod pageset;
pub mod pressure;
mod reclaim;
pub mod sample;
mod task;
pub mod threads;
mod vm;
mod waits;

pub use self::core::{World, static_byte};
pub use self::host::Host;
pub use self::memcg::MEMCGS;
pub use self::ops::Context;
pub use self::task::Task;
