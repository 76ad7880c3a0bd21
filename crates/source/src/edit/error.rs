// SPDX-License-Identifier: GPL-2.0-only
//! Why an edit could not be loaded or applied.

use std::fmt;

use thiserror::Error;

use crate::tree::TreeError;

/// An edit could not be loaded or applied.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EditError {
    /// No such edit.
    #[error("unknown edit `{name}`\n  help: known edits are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// No such variant.
    #[error("unknown variant `{name}`\n  help: known variants are {known}")]
    UnknownVariant {
        /// What was asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// Its file is malformed.
    #[error("edit {edit}: {detail}\n  help: see bugs/ for examples")]
    Format {
        /// The edit.
        edit: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The tree has no such file.
    #[error("edit {edit}: the tree has no {file}\n  help: the edit applies to {trees}")]
    NoFile {
        /// The edit.
        edit: String,
        /// The file.
        file: String,
        /// The named trees it is for.
        trees: String,
    },
    /// The file defines no such function.
    #[error(
        "edit {edit}: {file} defines no function {function}\n  help: the tree may be too old or too new for this edit"
    )]
    NoFunction {
        /// The edit.
        edit: String,
        /// The file.
        file: String,
        /// The function, or all the names it may have.
        function: String,
    },
    /// The anchor is not there as often as it should be.
    #[error(
        "edit {edit}: {place} has {found} of `{anchor}`, {wanted}\n  help: {}",
        if *found == 0 { "the tree may be changed there already, or be too old or too new for this edit" }
        else { "say which one with `nth`, or take a longer anchor" }
    )]
    Anchor {
        /// The edit.
        edit: String,
        /// The file and the function.
        place: String,
        /// The anchor.
        anchor: String,
        /// How often it is there.
        found: usize,
        /// How often it should be.
        wanted: Wanted,
    },
    /// The tree or the overlay cannot be read or written.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// How often an anchor should be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Just once.
    Once,
    /// So often at least, for this one is meant.
    Nth(usize),
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wanted::Once => write!(f, "exactly one is needed"),
            Wanted::Nth(nth) => write!(f, "number {nth} is wanted"),
        }
    }
}
