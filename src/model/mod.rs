// SPDX-License-Identifier: GPL-2.0-only
//! The Model: a percpu allocator in Rust, bit for bit like the kernel's, on any [`crate::world::kernel::Kernel`].
