// SPDX-License-Identifier: GPL-2.0-only
//! Kernel sources: trees, the patches that a user brings, and edits of our own.

pub mod edit;
pub mod files;
pub mod patch;
pub mod tree;
