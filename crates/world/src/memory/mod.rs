// SPDX-License-Identifier: GPL-2.0-only
//! Memory: what the allocator asks the kernel for, and what happens when there is too little.

mod fence;
mod metadata;
mod pages;
mod reclaim;
mod relief;
mod slab;
mod units;
mod vmalloc;
mod zero;
