// SPDX-License-Identifier: GPL-2.0-only
//! The World: a simulated kernel, owned by one run, that records what its tenant does.
//!
//! `percuss_kernel` says what a tenant may ask for and what it is seen to do; this crate is how the World does it.
//! [`World`] is the state, [`Host`] the way to it for tenants.

pub mod arena;
mod boot;
mod host;
mod locks;
mod memory;
mod state;
mod tasks;
mod world;

pub use self::host::Host;
pub use self::state::memcg::MEMCGS;
pub use self::state::task::Task;
pub use self::state::{areas, log, memcg, pressure, sample};
pub use self::tasks::ops::Context;
pub use self::tasks::{fiber, threads};
pub use self::world::{World, static_byte};
