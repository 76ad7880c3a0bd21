// SPDX-License-Identifier: GPL-2.0-only
//! Locks: those of the allocator, those that its callers and reclaim hold, and which context waits for which.
//!
//! `own` has pcpu_lock, pcpu_alloc_mutex and other locks of the allocator. `external` has the locks of other
//! subsystems. `named` gives numbers to locks in allocated memory, and `waits` puts chains of waits into words.

mod external;
mod named;
mod own;
mod waits;
