// SPDX-License-Identifier: GPL-2.0-only
//! Why a patch could not be applied.

use std::{fmt, io};

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
        "{patch} is not a patch percuss can read: {detail}\n  \
         help: give a unified diff, `git format-patch` output or an mbox"
    )]
    Format {
        /// The patch.
        patch: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Mails, none of which is a patch.
    #[error(
        "{patch} has no message with a diff ({messages} messages; replies do not count)\n  \
         help: save the whole thread as an mbox, or the message with the patch"
    )]
    NoDiff {
        /// The file.
        patch: String,
        /// Messages in it.
        messages: usize,
    },
    /// Two patches have the same number.
    #[error(
        "{patch} is ambiguous: `{}` and `{}` both are {number}\n  help: give the patches one by one, each with --patch",
        titles[0], titles[1]
    )]
    Twice {
        /// The file.
        patch: String,
        /// The number.
        number: String,
        /// Their titles.
        titles: [String; 2],
    },
    /// It does what no patch of the allocator needs.
    #[error("{patch} {what}: {file}\n  help: only patches that change or create text files are supported")]
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
         help: the patch may be for another version, or need one before it; see `percuss tree` for this one's"
    )]
    NoFile {
        /// The patch.
        patch: String,
        /// The file.
        file: String,
    },
    /// It creates a file that is there.
    #[error("{patch} creates {file}, which the tree has: it seems to be already applied\n  help: leave the patch out")]
    Exists {
        /// The patch.
        patch: String,
        /// The file.
        file: String,
    },
    /// It changes nothing that an image is made of.
    #[error("{patch} changes nothing that percuss compiles, only {files}\n  help: percuss compiles {compiled}")]
    NotCompiled {
        /// The patch.
        patch: String,
        /// The files it changes.
        files: String,
        /// What would be.
        compiled: String,
    },
    /// It would fit if it were not damaged.
    #[error(
        "{}\n  help: it fits but for blanks, quoting, escaping or line ends; `--patch-lenient` takes it so",
        headline(source)
    )]
    Damaged {
        /// What is wrong with it as it is.
        source: Box<PatchError>,
    },
    /// A hunk does not fit.
    #[error("{patch}: {}", misfit.text(file))]
    Hunk {
        /// The patch.
        patch: String,
        /// The file it changes.
        file: String,
        /// Which hunk, and where.
        misfit: Box<Misfit>,
    },
    /// The tree or the overlay cannot be read or written.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// A message without its help.
fn headline(error: &PatchError) -> String {
    let text = error.to_string();
    text.split("\n  help:").next().unwrap_or_default().to_owned()
}

/// A hunk that does not fit, and where.
#[derive(Debug)]
pub struct Misfit {
    /// Which hunk of the file, from 1.
    pub number: usize,
    /// How many hunks the file has.
    pub of: usize,
    /// Its `@@` line.
    pub header: String,
    /// The line of the patch that is.
    pub at: usize,
    /// The line of the file that differs first, at the place most like the hunk.
    pub line: usize,
    /// What the hunk expects there.
    pub expected: String,
    /// What is there.
    pub found: String,
    /// Lines that are as expected at that place.
    pub same: usize,
    /// Lines the hunk expects.
    pub lines: usize,
    /// First line of that place.
    pub begins: usize,
    /// Whether the hunk's result is in the file already.
    pub applied: bool,
}

impl Misfit {
    fn text(&self, file: &str) -> impl fmt::Display {
        let Misfit { number, of, header, at, line, expected, found, same, lines, begins, applied } = self;
        let hunk = format!("hunk {number} of {of} for {file}");
        if *applied {
            return format!(
                "{hunk} is already applied ({header}, line {at} of the patch)\n  \
                 help: the tree has this change already; leave the patch out"
            );
        }
        format!(
            "{hunk} does not apply ({header}, line {at} of the patch)\n  \
             {file}:{line}: expected {expected}, found {found}\n  \
             the closest place begins at line {begins}: {same} of {lines} lines are as expected\n  \
             help: the patch may be for another version; see `percuss tree` for this one's"
        )
    }
}
