// SPDX-License-Identifier: GPL-2.0-only
//! Kernel sources: trees, the patches that a user brings, and edits of our own.
//!
//! Everything here is text: a [`tree`](tree::Tree) is found and never written, a [`patch`](patch::Patch) or an
//! [`edit`](edit::Edit) changes copies of its files in an [`Overlay`](tree::Overlay), and `percuss-shim` compiles the
//! tree with the overlay on top. Names of kernel functions and anchors of one statement are all of the kernel's text
//! that percuss itself holds.

pub mod changed;
pub mod edit;
pub mod files;
pub mod patch;
mod text;
pub mod tree;
