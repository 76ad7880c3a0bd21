// SPDX-License-Identifier: GPL-2.0-only
//! Patches: the user's unified diffs, `git format-patch` files and mailing-list threads, applied to a scratch copy of a
//! tree.
//!
//! Lines may have moved, context must match. A file is changed by the whole patch or not at all, and what percuss does
//! not compile is left alone: a series for the kernel also touches documents, Kconfig and other subsystems, and the
//! allocator's part of it is what is checked. There is no fuzz as in `patch(1)`, which may put a hunk into the wrong
//! function without a word.

mod apply;
mod diff;
mod error;
mod fit;
mod gap;
mod lenient;
mod load;
mod loose;
mod mbox;
mod mending;
mod series;

use std::path::{Component, Path};

use percuss_shim::compile::may_read;

use diff::{FileDiff, Hunk, Special};
pub use error::{Misfit, PatchError, Tie};
pub use load::{Series, load, parse};

use crate::tree::Overlay;

/// One patch: what one message or one file of diffs does.
#[derive(Debug, Clone)]
pub struct Patch {
    /// The file it is from, and its number in a series: what errors and reports call it.
    pub name: String,
    pub title: String,
    text: String,
    lenient: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    pub name: String,
    pub title: String,
    pub changed: Vec<String>,
    /// Files it would change that no image is made of. Reports list them, since a patch may depend on such a change.
    pub ignored: Vec<String>,
}

/// What a diff does to a file of the tree. The name of an ignored file is for reports only.
enum Target {
    Change(String),
    Create(String),
    Ignore(String),
}

/// Changed files with their new texts, and the files that are ignored. Nothing is written before all of a patch fits.
type Plan = (Vec<(String, String)>, Vec<String>);

impl Patch {
    /// The patch `text` called `name`. With `lenient`, damage by mail programs and web archives is repaired: quoting,
    /// HTML entities, line ends, tabs that became blanks, blanks and empty lines that were lost, and wrong counts.
    pub fn new(name: &str, text: &str, lenient: bool) -> Patch {
        Patch { name: name.to_owned(), title: name.to_owned(), text: text.to_owned(), lenient }
    }

    /// Applies it to `overlay`, or leaves that as it is.
    ///
    /// # Errors
    /// It is no patch, or does not fit. [`PatchError::Damaged`] means that it would fit with `lenient`, which is not
    /// done unasked: the repaired patch is a guess.
    pub fn apply(&self, overlay: &mut Overlay) -> Result<Applied, PatchError> {
        let (files, ignored) = match self.plan(overlay, self.lenient) {
            // Damaged only if the repaired patch fits; otherwise the first error says more.
            Err(error) if self.may_be_damaged(&error) && self.plan(overlay, true).is_ok() => {
                return Err(PatchError::Damaged { source: Box::new(error) });
            }
            planned => planned?,
        };
        // All of it fits: only now is anything written.
        for (file, text) in &files {
            overlay.write(file, text)?;
        }
        overlay.applied.push(self.name.clone());
        let changed = files.into_iter().map(|(file, _)| file).collect();
        Ok(Applied { name: self.name.clone(), title: self.title.clone(), changed, ignored })
    }

    /// What `text` becomes with each of its diffs, whatever file that is for. The fuzz target for patches uses it,
    /// which has no tree.
    ///
    /// # Errors
    /// It is no patch, or does not fit.
    pub fn on_text(&self, text: &str) -> Result<Vec<String>, PatchError> {
        let diffs = self.diffs(self.lenient)?;
        let mends = self.lenient && mends(&diffs);
        let one = |diff: &FileDiff| {
            let file = diff.new.clone().or_else(|| diff.old.clone()).unwrap_or_default();
            self.changed(text, diff, &file, self.lenient.then_some(mends))
        };
        diffs.iter().map(one).collect()
    }

    /// `text`, which is that of `file`, with a diff in it. With `lenient` the context need not match to the letter; its
    /// value is whether inserted lines have lost their tabs for certain.
    fn changed(&self, text: &str, diff: &FileDiff, file: &str, lenient: Option<bool>) -> Result<String, PatchError> {
        match lenient {
            None => apply::apply(text, diff).map_err(|misfit| PatchError::Hunk {
                patch: self.name.clone(),
                file: file.to_owned(),
                misfit,
            }),
            Some(mends) => fit::apply(text, diff, mends).map_err(|unfit| unfit.named(&self.name, file)),
        }
    }

    /// The files it names that an image may be made of, and the others. A diff may name two, `a/FILE` and `b/FILE`.
    fn compiled(&self) -> Result<(Vec<String>, Vec<String>), PatchError> {
        let (mut compiled, mut other) = (Vec::new(), Vec::new());
        for diff in self.diffs(self.lenient)? {
            for name in [&diff.new, &diff.old].into_iter().flatten() {
                // With a first component such as `a/`, or without.
                let readable = [strip(name), name].into_iter().find(|name| may_read(name));
                match readable {
                    Some(name) => compiled.push(name.to_owned()),
                    None => other.push(shown(name).to_owned()),
                }
            }
        }
        // The old and the new name are mostly the same.
        other.dedup();
        Ok((compiled, other))
    }

    /// Whether a second try with `lenient` is worth while. A hunk that is already applied is no damage.
    fn may_be_damaged(&self, error: &PatchError) -> bool {
        let applied = matches!(error, PatchError::Hunk { misfit, .. } if misfit.applied);
        // A patch that is applied already fits no better when it is repaired.
        !self.lenient && !applied && matches!(error, PatchError::Hunk { .. } | PatchError::Format { .. })
    }

    fn diffs(&self, lenient: bool) -> Result<Vec<FileDiff>, PatchError> {
        let wrong = |detail: String| PatchError::Format { patch: self.name.clone(), detail };
        if lenient {
            let text = lenient::clean(&self.text);
            return loose::parse(&text).map_err(|error| wrong(error.to_string()));
        }
        let diffs = diff::parse(&self.text).map_err(|error| wrong(error.to_string()))?;
        // After the syntax, which names a line. Context with CR LF would match nowhere, and each hunk would be blamed.
        if self.text.contains("\r\n") {
            return Err(wrong("its lines end in CR LF, those of the kernel in LF".to_owned()));
        }
        Ok(diffs)
    }

    fn plan(&self, overlay: &Overlay, lenient: bool) -> Result<Plan, PatchError> {
        let diffs = self.diffs(lenient)?;
        let lenient = lenient.then(|| mends(&diffs));
        let (mut files, mut ignored) = Plan::default();
        for diff in &diffs {
            // What percuss does not compile is not even read.
            let (file, create) = match self.target(diff, overlay)? {
                Target::Ignore(file) => {
                    ignored.push(file);
                    continue;
                }
                Target::Change(file) => (file, false),
                Target::Create(file) => (file, true),
            };
            if diff.hunks.is_empty() {
                // The diff changes the file's mode only.
                continue;
            }
            // A patch may have two diffs for one file; the second is for what the first makes of it.
            let index = match files.iter().position(|(known, _)| *known == file) {
                Some(index) => index,
                None => {
                    let before = if create { String::new() } else { overlay.read(&file)? };
                    files.push((file.clone(), before));
                    files.len() - 1
                }
            };
            files[index].1 = self.changed(&files[index].1, diff, &file, lenient)?;
        }
        Ok((files, ignored))
    }

    /// The file a diff is about, which must be inside the tree: a patch comes from a mailing list, and must not write
    /// elsewhere.
    ///
    /// # Errors
    /// The path leaves the tree, or the diff does something else than change or create a text file.
    fn target(&self, diff: &FileDiff, overlay: &Overlay) -> Result<Target, PatchError> {
        let names: Vec<&str> = [&diff.new, &diff.old].into_iter().flatten().map(String::as_str).collect();
        // Both names, though only one is used: a patch with such a path is not to be trusted.
        for path in &names {
            let inside = |part| matches!(part, Component::Normal(_));
            if path.is_empty() || path.contains(['\\', '\0']) || !Path::new(path).components().all(inside) {
                return Err(PatchError::Outside { patch: self.name.clone(), path: (*path).to_owned() });
            }
        }
        // `a/mm/percpu.c`, `linux-6.12.orig/mm/percpu.c` or just `mm/percpu.c`; the new name counts first, as for
        // `patch`.
        let candidates: Vec<&str> = names.iter().map(|name| strip(name)).chain(names.iter().copied()).collect();
        let Some(file) = candidates.iter().copied().find(|file| may_read(file) && overlay.has(file)) else {
            return match candidates.iter().copied().find(|file| may_read(file)) {
                None => Ok(Target::Ignore(names.first().map_or("", |name| shown(name)).to_owned())),
                Some(file) if diff.old.is_none() && diff.special.is_none() => Ok(Target::Create(file.to_owned())),
                Some(file) => Err(PatchError::NoFile { patch: self.name.clone(), file: file.to_owned() }),
            };
        };
        // Only for a file that an image may be made of: elsewhere in the kernel a series may rename what it likes.
        let unsupported = |what| Err(PatchError::Unsupported { patch: self.name.clone(), file: file.to_owned(), what });
        match diff.special {
            Some(Special::Rename) => unsupported("renames a file"),
            Some(Special::Copy) => unsupported("copies a file"),
            Some(Special::Binary) => unsupported("changes a binary file"),
            None if diff.new.is_none() => unsupported("deletes a file"),
            None if diff.old.is_none() => Err(PatchError::Exists { patch: self.name.clone(), file: file.to_owned() }),
            None => Ok(Target::Change(file.to_owned())),
        }
    }
}

/// Whether inserted lines need their tabs back wherever they are: the patch has no tab at all.
fn mends(diffs: &[FileDiff]) -> bool {
    let tab = |hunk: &Hunk| hunk.side(false).iter().chain(&hunk.side(true)).any(|line| line.contains('\t'));
    !diffs.iter().any(|diff| diff.hunks.iter().any(tab))
}

fn strip(path: &str) -> &str {
    path.split_once('/').map_or(path, |(_, rest)| rest)
}

/// A path without git's `a/` or `b/`, as a person would write it.
fn shown(path: &str) -> &str {
    path.strip_prefix("a/").or_else(|| path.strip_prefix("b/")).unwrap_or(path)
}
