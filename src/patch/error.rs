// SPDX-License-Identifier: GPL-2.0-only
//! Why a patch could not be applied.

use std::fmt;
use std::io;

use thiserror::Error;

use crate::tree::TreeError;

/// A patch could not be read or applied.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PatchError {
    /// The patch file cannot be read.
    #[error("cannot read the patch {patch}: {source}\n  help: check its path and permissions")]
    Read {
        /// The patch.
        patch: String,
        /// Why.
        source: io::Error,
    },
    /// It is no patch.
    #[error(
        "{patch} is not a patch percuss can read: {detail}\n  help: give a unified diff or `git format-patch` output"
    )]
    Format {
        /// The patch.
        patch: String,
        /// What is wrong with it.
        detail: String,
    },
    /// It does what no patch of the allocator needs.
    #[error("{patch} {what}: {file}\n  help: only patches that change existing text files are supported")]
    Unsupported {
        /// The patch.
        patch: String,
        /// The file.
        file: String,
        /// What it does.
        what: &'static str,
    },
    /// It names a file outside the tree.
    #[error("{patch} names a path outside the tree: `{path}`\n  help: paths must be relative and without `..`")]
    Outside {
        /// The patch.
        patch: String,
        /// The path.
        path: String,
    },
    /// It changes a file the tree does not have.
    #[error(
        "{patch} changes {file}, which the tree does not have\n  \
         help: a named tree holds only what percuss compiles; for patches of other files give a checkout with `--tree DIR`"
    )]
    NoFile {
        /// The patch.
        patch: String,
        /// The file.
        file: String,
    },
    /// A hunk does not fit.
    #[error("{0}")]
    Hunk(Box<Hunk>),
    /// The tree or the overlay cannot be read or written.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// A hunk that does not fit, and where.
#[derive(Debug)]
pub struct Hunk {
    /// The patch.
    pub patch: String,
    /// The file it changes.
    pub file: String,
    /// Which hunk of the file, from 1.
    pub number: usize,
    /// How many hunks the file has.
    pub of: usize,
    /// Its `@@` line.
    pub header: String,
    /// The line of the file that differs first, at the place most like the hunk.
    pub line: usize,
    /// What the hunk expects there.
    pub expected: String,
    /// What is there.
    pub found: String,
    /// Whether the hunk's result is in the file already.
    pub applied: bool,
}

impl fmt::Display for Hunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Hunk { patch, file, number, of, header, line, expected, found, applied } = self;
        writeln!(f, "{patch}: hunk {number} of {of} for {file} does not apply ({header})")?;
        writeln!(f, "  {file}:{line}: expected {expected}, found {found}")?;
        match applied {
            true => write!(f, "  help: the tree seems to have this change already"),
            false => write!(f, "  help: the patch may be for another version; see `percuss tree` for this one's"),
        }
    }
}
