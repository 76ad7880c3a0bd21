// SPDX-License-Identifier: GPL-2.0-only
//! The compiled percpu allocator of a tree behind a safe interface.
