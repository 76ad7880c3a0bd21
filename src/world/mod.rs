// SPDX-License-Identifier: GPL-2.0-only
//! The World: a simulated kernel, owned by one run, that records what its tenant does.
//!
//! [`kernel`] is what a tenant may ask for, [`event`] what it is seen to do; the other rooms are how the World does it.

pub mod areas;
pub mod arena;
mod core;
pub mod digest;
pub mod event;
mod ext;
mod fault;
pub mod fiber;
pub mod gfp;
mod heap;
mod host;
pub mod kernel;
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

pub use self::core::{CONTEXTS, KSWAPD, WORKER, World, static_byte};
pub use self::host::Host;
pub use self::memcg::MEMCGS;
pub use self::ops::op_is_nested;
pub use self::ops::{Context, context_name};
pub use self::task::Task;
