// SPDX-License-Identifier: GPL-2.0-only
//! `KernelC`: the compiled allocator of a tree as a tenant of a World.

mod bridge;
mod kernel_c;

pub use kernel_c::{Judge, KernelC, Opened, ReleaseHook, boot_params};
