// SPDX-License-Identifier: GPL-2.0-only
//! The Model: a percpu allocator in Rust, bit for bit like the kernel's, on any [`percuss_kernel::Kernel`].
//!
//! Decision rules (which region wins, where a refresh starts, which end of a list) are facts and are the same as in
//! `mm/percpu.c` and `mm/percpu-vm.c`; behaviours that some trees have and others lack are [`Quirks`].
//!
//! State is one `core::Core` in a `RefCell`. A Kernel call may run another task, which enters the allocator again, or
//! never return. So no borrow of the state and no local that owns heap memory lives across one, except during boot.
#![forbid(unsafe_code)]

mod alloc;
mod allocator;
mod area;
mod balance;
mod bitmap;
mod block;
mod boot;
mod chunk;
mod core;
mod create;
mod digest;
mod facts;
mod felt;
mod frames;
mod free;
mod hints;
mod memcg;
mod observe;
mod populate;
mod reset;
mod scope;
mod slots;

#[cfg(test)]
mod tests;

pub use allocator::Allocator;
pub use facts::Facts;
pub use felt::Felt;
pub use percuss_kernel::{Quirk, Quirks, UnknownQuirk};
