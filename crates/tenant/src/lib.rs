// SPDX-License-Identifier: GPL-2.0-only
//! `KernelC`: the compiled allocator of a tree as a tenant of a World.

mod bridge;
mod kernel_c;
mod records;

pub use bridge::{Judge, ReleaseHook};
pub use kernel_c::{KernelC, Opened};
pub use records::boot_params;
