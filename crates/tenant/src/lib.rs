// SPDX-License-Identifier: GPL-2.0-only
//! `KernelC`: the compiled allocator of a tree as a tenant of a World.
//!
//! The shim knows an image and absolute addresses, the World knows contexts and relative addresses. This crate ties the
//! two together; its `unsafe` blocks rest on what the World guarantees of its arena.

mod bridge;
mod kernel_c;
mod records;

pub use bridge::{Judge, Look, ReleaseHook};
pub use kernel_c::{KernelC, Opened};
pub use records::boot_params;
