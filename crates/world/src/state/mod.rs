// SPDX-License-Identifier: GPL-2.0-only
//! What a World consists of, without what it does: each file holds one data structure and knows nothing of [`World`].
//!
//! [`World`] has four parts, by how long they live. [`Space`](space::Space) stays as long as the World,
//! [`Boot`](boot::Boot) from one boot to the next, [`Run`](run::Run) for one program, and
//! [`Buffers`](buffers::Buffers) keeps the memory of lists and tables so that a new program need not allocate it.
//!
//! [`World`]: crate::World

pub mod areas;
pub mod boot;
pub mod buffers;
pub mod faults;
pub mod heap;
pub mod locks;
pub mod log;
pub mod memblock;
pub mod memcg;
pub mod pages;
pub mod pageset;
pub mod pool;
pub mod pressure;
pub mod redzone;
pub mod run;
pub mod sample;
pub mod sites;
pub mod slabs;
pub mod space;
pub mod task;
pub mod vm;
pub mod zeroing;
