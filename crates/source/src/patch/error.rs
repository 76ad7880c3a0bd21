// SPDX-License-Identifier: GPL-2.0-only
//! Why a patch could not be applied.
//!
//! Most users meet percuss with a patch that does not fit, so each message names the file, the hunk and the line,
//! quotes the two lines that differ, and ends with one thing to try.

use std::{fmt, io};

use thiserror::Error;

use crate::tree::TreeError;

/// A patch could not be read or applied. The overlay is unchanged by it; patches before it in a series have been
/// applied.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PatchError {
    #[error("cannot read the patch {patch}: {source}\n  help: check its path and permissions")]
    Read { patch: String, source: io::Error },
    #[error(
        "{patch} is not a patch percuss can read: {detail}\n  \
         help: give a unified diff, `git format-patch` output or an mbox; one that is quoted in a mail or copied from a \
         web page needs `--patch-lenient`"
    )]
    Format { patch: String, detail: String },
    /// Mails, none of which is a patch: a cover letter, or answers only.
    #[error(
        "{patch} has no message with a diff ({messages} messages; replies do not count)\n  \
         help: save the whole thread as an mbox, or the message with the patch; `--patch-lenient` takes the patch that a \
         reply quotes"
    )]
    NoDiff { patch: String, messages: usize },
    #[error(
        "{patch} is ambiguous: `{}` and `{}` both are {number}\n  help: give the patches one by one, each with --patch",
        titles[0], titles[1]
    )]
    Twice { patch: String, number: String, titles: [String; 2] },
    /// It renames, copies or deletes a file that an image is made of, or is binary. No patch of the allocator needs
    /// that.
    #[error("{patch} {what}: {file}\n  help: only patches that change or create text files are supported")]
    Unsupported { patch: String, file: String, what: &'static str },
    #[error("{patch} names a path outside the tree: `{path}`\n  help: paths must be relative and without `..`")]
    Outside { patch: String, path: String },
    #[error(
        "{patch} changes {file}, which the tree does not have\n  \
         help: the patch may be for another version, or need one before it; see `percuss tree` for this one's"
    )]
    NoFile { patch: String, file: String },
    #[error("{patch} creates {file}, which the tree has: it seems to be already applied\n  help: leave the patch out")]
    Exists { patch: String, file: String },
    /// It changes nothing that an image is made of. A run would check the unpatched tree, and finding nothing would be
    /// taken for praise of the patch.
    #[error("{patch} changes nothing that percuss compiles, only {files}\n  help: percuss compiles {compiled}")]
    NotCompiled { patch: String, files: String, compiled: String },
    /// It would fit if it were not damaged on its way. `source` is what is wrong with it as it is.
    #[error(
        "{}\n  help: it fits but for blanks, quoting, escaping or line ends; `--patch-lenient` takes it so",
        headline(source)
    )]
    Damaged { source: Box<PatchError> },
    #[error("{patch}: {}", misfit.text(file))]
    Hunk { patch: String, file: String, misfit: Box<Misfit> },
    /// With damaged context it fits in more places than one.
    #[error("{patch}: {}", tie.text(file))]
    Ambiguous { patch: String, file: String, tie: Box<Tie> },
    /// The tree or the overlay cannot be read or written.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// A message without its help, to be followed by another one's.
fn headline(error: &PatchError) -> String {
    let text = error.to_string();
    text.split("\n  help:").next().unwrap_or_default().to_owned()
}

/// Why a hunk with damaged context is not put into a file. The file and the patch have no names yet.
#[derive(Debug)]
pub(super) enum Unfit {
    Nowhere(Box<Misfit>),
    Ambiguous(Box<Tie>),
}

impl Unfit {
    pub fn named(self, patch: &str, file: &str) -> PatchError {
        let (patch, file) = (patch.to_owned(), file.to_owned());
        match self {
            Unfit::Nowhere(misfit) => PatchError::Hunk { patch, file, misfit },
            Unfit::Ambiguous(tie) => PatchError::Ambiguous { patch, file, tie },
        }
    }
}

/// A hunk that fits in several places, of which its header prefers none.
#[derive(Debug)]
pub struct Tie {
    /// Which hunk of the file, from 1.
    pub number: usize,
    pub of: usize,
    pub header: String,
    /// The first line that was looked for.
    pub first: String,
    /// Where that line is, in each place: line numbers from 1.
    pub places: Vec<usize>,
}

impl Tie {
    fn text(&self, file: &str) -> impl fmt::Display {
        let Tie { number, of, header, first, places } = self;
        let places: Vec<String> = places.iter().map(usize::to_string).collect();
        format!(
            "hunk {number} of {of} for {file} is ambiguous ({header})\n  \
             `{first}` and what follows it fit at lines {}\n  \
             help: give the diff with more lines of context, or with the header that it had",
            places.join(", ")
        )
    }
}

/// A hunk that does not fit, and the place in the file that is most like it. Line numbers count from 1.
#[derive(Debug)]
pub struct Misfit {
    /// Which hunk of the file, from 1.
    pub number: usize,
    pub of: usize,
    pub header: String,
    /// The line of the patch that the hunk's header is on; 0 of a damaged patch, whose lines are not those of the file
    /// that it came from.
    pub at: usize,
    /// The line of the file that differs first, at the place most like the hunk.
    pub line: usize,
    pub expected: String,
    pub found: String,
    /// Lines of the hunk's `lines` that are as expected at that place, which begins at line `begins`.
    pub same: usize,
    pub lines: usize,
    pub begins: usize,
    /// Whether the hunk's result is in the file already: then the tree has the patch, and the rest does not matter.
    pub applied: bool,
}

impl Misfit {
    fn text(&self, file: &str) -> impl fmt::Display {
        let Misfit { number, of, header, at, line, expected, found, same, lines, begins, applied } = self;
        let hunk = format!("hunk {number} of {of} for {file}");
        let place = if *at == 0 { header.clone() } else { format!("{header}, line {at} of the patch") };
        if *applied {
            return format!(
                "{hunk} is already applied ({place})\n  \
                 help: the tree has this change already; leave the patch out"
            );
        }
        format!(
            "{hunk} does not apply ({place})\n  \
             {file}:{line}: expected {expected}, found {found}\n  \
             the closest place begins at line {begins}: {same} of {lines} lines are as expected\n  \
             help: the patch may be for another version; see `percuss tree` for this one's"
        )
    }
}
