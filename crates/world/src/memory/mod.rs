// SPDX-License-Identifier: GPL-2.0-only
//! Memory: what the allocator asks the kernel for, and what happens when there is too little.
//!
//! An allocation has two halves. The first checks its context and the fault plan, the second takes the memory and logs
//! the result. Between them the Host looks for free pages, for which it may run reclaim and switch to other tasks; that
//! is why the halves are separate borrows of the World.

mod fence;
mod metadata;
mod pages;
mod reclaim;
mod redzone;
mod relief;
mod slab;
mod units;
mod vmalloc;
mod zero;
