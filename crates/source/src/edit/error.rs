// SPDX-License-Identifier: GPL-2.0-only
//! Why an edit could not be loaded or applied.
//!
//! The usual reason is a tree that is older or newer than the edit. It must be an error: an edit that silently does
//! nothing would count as a bug that percuss misses.

use std::fmt;

use thiserror::Error;

use crate::tree::TreeError;

/// An edit could not be loaded or applied. An overlay is unchanged by it, apart from the edit's base.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EditError {
    #[error("unknown edit `{name}`\n  help: known edits are {known}")]
    Unknown { name: String, known: String },
    #[error("unknown variant `{name}`\n  help: known variants are {known}")]
    UnknownVariant { name: String, known: String },
    #[error("edit {edit}: {detail}\n  help: see bugs/ for examples")]
    Format { edit: String, detail: String },
    #[error("edit {edit}: the tree has no {file}\n  help: the edit applies to {trees}")]
    NoFile { edit: String, file: String, trees: String },
    #[error(
        "edit {edit}: {file} defines no function {function}\n  help: the tree may be too old or too new for this edit"
    )]
    NoFunction { edit: String, file: String, function: String },
    #[error(
        "edit {edit}: {place} has {found} of `{anchor}`, {wanted}\n  help: {}",
        if *found == 0 { "the tree may be changed there already, or be too old or too new for this edit" }
        else { "say which one with `nth`, or take a longer anchor" }
    )]
    Anchor { edit: String, place: String, anchor: String, found: usize, wanted: Wanted },
    /// Neither the edit's base has a place, nor the edit has one without it.
    #[error("edit {edit} needs another one first, which has no place: {base}\n  without it: {without}")]
    Base { edit: String, base: Box<EditError>, without: Box<EditError> },
    /// The tree or the overlay cannot be read or written.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl EditError {
    /// Whether the edit is right and has no place in this tree: any other error is one of the edit or of the machine.
    pub fn is_misfit(&self) -> bool {
        matches!(
            self,
            EditError::NoFile { .. } | EditError::NoFunction { .. } | EditError::Anchor { .. } | EditError::Base { .. }
        )
    }

    /// What is not there, in one line: the reason in a table.
    pub fn why(&self) -> String {
        let text = self.to_string();
        text.lines().next().unwrap_or_default().to_owned()
    }
}

/// How often an anchor should be there, as the change's `nth` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Once,
    /// At least as many times as this, for the match of this number is meant.
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
