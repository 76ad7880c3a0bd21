// SPDX-License-Identifier: GPL-2.0-only
//! Locks: those of the allocator, those that its callers and reclaim hold, and who waits for whom.

mod external;
mod named;
mod own;
mod waits;
