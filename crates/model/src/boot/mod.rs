// SPDX-License-Identifier: GPL-2.0-only
//! Boot: from the machine to an allocator with its first chunk.
//!
//! [`first_chunk`] lays out the units with one of the three builders (embed, page, or a description made by hand), with
//! the groups and sizes of [`alloc_info`]. [`setup`] makes the chunks, slots and counters from that layout.

mod alloc_info;
mod first_chunk;
mod setup;
