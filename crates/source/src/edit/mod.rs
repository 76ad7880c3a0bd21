// SPDX-License-Identifier: GPL-2.0-only
//! Edits: small named changes of the allocator, for measuring what percuss detects.
//!
//! Each edit is a file below `bugs/`, in our own words and code. Of the kernel's text it holds anchors only, at most
//! one statement each, by which the place is found in any tree that has it. The folder says what the edit is for, see
//! [`Purpose`]. An edit may have another as its base, which is applied before it.

mod change;
mod checkers;
mod error;
mod place;
mod purpose;
mod renamed;
mod table;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use change::{Action, Change, Part};
pub use checkers::{Checkers, Sees};
pub use error::{EditError, Wanted};
pub use purpose::Purpose;
pub use table::names;

use percuss_kernel::{Quirk, Quirks};

use crate::tree::{Overlay, Tree, TreeError};
pub use percuss_oracle::OracleKind;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// `B01`, `fix-B24`, `crash-null`: also the file's name, without its ending.
    pub name: String,
    /// Not in the file: its folder says it.
    #[serde(skip)]
    pub purpose: Purpose,
    pub title: String,
    /// What goes wrong, and how it shows.
    pub story: String,
    pub class: Class,
    /// The oracles that ought to notice; for a fix, those that ought to fall silent; none for a variant. Tests of the
    /// edits check it.
    pub oracles: Vec<OracleKind>,
    /// The kernel commit that had fixed the bug which a seeded edit puts back, where there was one.
    #[serde(default)]
    pub upstream: Option<String>,
    /// What a program must use for it to show. This is for readers: no code depends on it.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// The edit whose result it changes, when it is not the tree itself.
    #[serde(default)]
    pub base: Option<String>,
    /// Quirks that a tree has with it and not without. Where they are there already, so is what it does.
    #[serde(default)]
    pub gains: Vec<Quirk>,
    /// Quirks that a tree has without it and not with it.
    #[serde(default)]
    pub loses: Vec<Quirk>,
    /// The named trees it is known to apply to.
    pub trees: Vec<String>,
    /// What the kernel's own checkers could see of it; seeded bugs only.
    #[serde(default)]
    pub kernel: Option<Checkers>,
    /// The changes, applied in order: an anchor may be text that an earlier one has put in.
    #[serde(rename = "edit")]
    pub changes: Vec<Change>,
}

/// The part of the allocator an edit is about. The detection benchmark has it as a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are kernel-facts' classes")]
pub enum Class {
    Gfp,
    Locking,
    Accounting,
    Hints,
    Bitmap,
    Reclaim,
    Populate,
    Memcg,
    Arguments,
    Address,
    Crash,
}

impl Class {
    /// The name in files and reports, the same as serde's.
    pub fn name(self) -> &'static str {
        match self {
            Class::Gfp => "gfp",
            Class::Locking => "locking",
            Class::Accounting => "accounting",
            Class::Hints => "hints",
            Class::Bitmap => "bitmap",
            Class::Reclaim => "reclaim",
            Class::Populate => "populate",
            Class::Memcg => "memcg",
            Class::Arguments => "arguments",
            Class::Address => "address",
            Class::Crash => "crash",
        }
    }
}

/// What a program must use for a bug to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// Injected failures of backing allocations.
    Faults,
    /// Units that straddle page tables, so that mapping can fail half-way.
    PageTables,
    Memcg,
    /// kmem accounting switched off at boot.
    KmemDisabled,
    /// A boot with a reserved chunk, as for static per-CPU data of modules.
    Reserved,
    /// Translations to physical addresses.
    Phys,
    /// A second chunk, emptied again until balance reclaims it.
    Reclaim,
}

impl Edit {
    /// The edit called `name`, whatever the case.
    ///
    /// # Errors
    /// There is none. The error lists the names of all, for a misspelt one is the usual reason.
    pub fn load(name: &str) -> Result<Edit, EditError> {
        let file = table::find(name).ok_or_else(|| unknown(name))?;
        Edit::parse(file.name, file.purpose, file.text)
    }

    /// The variant called `name`, whatever the case.
    ///
    /// # Errors
    /// There is no such edit, or it is no variant.
    pub fn variant(name: &str) -> Result<Edit, EditError> {
        // An error lists variants only, for one was asked for.
        let unknown = || unknown_variant(name);
        let edit = Edit::load(name).map_err(|_| unknown())?;
        if edit.purpose == Purpose::Variant { Ok(edit) } else { Err(unknown()) }
    }

    /// The variants among what was applied to an overlay, as [`Overlay::applied`] lists it. A report says of each what
    /// it is and is not.
    pub fn variants_among(applied: &[String]) -> Vec<Edit> {
        let all = Edit::all().unwrap_or_default().into_iter();
        all.filter(|edit| edit.purpose == Purpose::Variant && applied.contains(&edit.label())).collect()
    }

    /// Its name in reports. A variant is called ours, for it must not be taken for the patch it is named after.
    pub fn label(&self) -> String {
        if self.purpose == Purpose::Variant { format!("our variant {}", self.name) } else { self.name.clone() }
    }

    /// Every edit there is, in the order of [`names`].
    pub fn all() -> Result<Vec<Edit>, EditError> {
        names().map(Edit::load).collect()
    }

    /// Reads an edit from TOML; `source` names it in errors.
    ///
    /// # Errors
    /// A key is missing or unknown, or a change contradicts itself. Anchors are not looked at: they need a tree.
    pub fn parse(source: &str, purpose: Purpose, text: &str) -> Result<Edit, EditError> {
        let wrong = |detail: String| EditError::Format { edit: source.to_owned(), detail };
        let mut edit: Edit = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        edit.purpose = purpose;
        for change in &edit.changes {
            if (change.action == Action::Delete) != change.text.is_empty() {
                return Err(wrong("`delete` takes no text, every other action needs one".to_owned()));
            }
            // On one line, a comment to the line's end would hide the rest, and a directive needs a line of its own.
            if change.text.contains("//") || change.text.contains('#') {
                return Err(wrong("the text is put on one line: no `//` and no preprocessor directives".to_owned()));
            }
            let blank = |anchor: &String| anchor.trim().is_empty();
            if change.anchors().is_empty()
                || change.anchors().iter().any(blank)
                || change.functions().is_empty()
                || change.nth == Some(0)
            {
                return Err(wrong("a change needs an anchor, a function, and `nth` counts from 1".to_owned()));
            }
        }
        if edit.changes.is_empty() { Err(wrong("no changes".to_owned())) } else { Ok(edit) }
    }

    /// Makes this edit's changes in `overlay`. Its base comes first if it is not there yet.
    ///
    /// A base without a place is left out when the edit has one without it: newer trees do by themselves what it does.
    ///
    /// # Errors
    /// A change has no place in this tree. Then none of the edit's changes is made.
    pub fn apply(&self, overlay: &mut Overlay) -> Result<(), EditError> {
        let missing = self.apply_base(overlay)?;
        self.apply_changes(overlay).map_err(|error| match missing {
            Some(base) if error.is_misfit() => {
                EditError::Base { edit: self.name.clone(), base: Box::new(base), without: Box::new(error) }
            }
            _ => error,
        })
    }

    /// Applies its base, unless that is there already. Returns why it has no place, if it has none.
    fn apply_base(&self, overlay: &mut Overlay) -> Result<Option<EditError>, EditError> {
        let Some(base) = &self.base else { return Ok(None) };
        let base = Edit::load(base)?;
        // Two edits may have the same base, and its anchors are gone after the first time.
        if overlay.applied.contains(&base.label()) {
            return Ok(None);
        }
        match base.apply(overlay) {
            Err(error) if error.is_misfit() => Ok(Some(error)),
            done => done.map(|()| None),
        }
    }

    fn apply_changes(&self, overlay: &mut Overlay) -> Result<(), EditError> {
        // Nothing is written before all changes have found their places.
        let mut texts: Vec<(&str, String)> = Vec::new();
        for change in &self.changes {
            let known = texts.iter().position(|(file, _)| *file == change.file);
            let index = match known {
                Some(index) => index,
                None if overlay.has(&change.file) => {
                    texts.push((&change.file, overlay.read(&change.file)?));
                    texts.len() - 1
                }
                None => return Err(no_file(self, change)),
            };
            texts[index].1 = place::change(&self.name, &texts[index].1, change)?;
        }
        for (file, text) in texts {
            overlay.write(file, &text)?;
        }
        overlay.applied.push(self.label());
        Ok(())
    }
}

fn unknown(name: &str) -> EditError {
    EditError::Unknown { name: name.to_owned(), known: names().collect::<Vec<_>>().join(", ") }
}

fn unknown_variant(name: &str) -> EditError {
    let known = Edit::all().unwrap_or_default().into_iter().filter(|edit| edit.purpose == Purpose::Variant);
    let known = known.map(|edit| edit.name).collect::<Vec<_>>().join(", ");
    EditError::UnknownVariant { name: name.to_owned(), known }
}

fn no_file(edit: &Edit, change: &Change) -> EditError {
    EditError::NoFile { edit: edit.name.clone(), file: change.file.clone(), trees: edit.trees.join(" and ") }
}

/// What has to be applied before an edit for it to fit a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Its base.
    OnBase(String),
    /// Nothing: it has no base, or the tree is like it by itself.
    Alone,
}

impl Edit {
    /// Whether the edit has its places in `tree`.
    ///
    /// # Errors
    /// It has not, see [`EditError::is_misfit`]; or files cannot be read or written.
    pub fn fit(&self, tree: &Tree) -> Result<Fit, EditError> {
        let dir = tempfile::tempdir().map_err(|source| TreeError::Write { path: std::env::temp_dir(), source })?;
        let mut overlay = Overlay::new(tree, dir.path())?;
        self.apply(&mut overlay)?;
        let base = self.base.as_deref().map(Edit::load).transpose()?;
        let there = base.filter(|base| overlay.applied.contains(&base.label()));
        Ok(there.map_or(Fit::Alone, |base| Fit::OnBase(base.name)))
    }

    /// Whether a tree with these quirks does by itself what the edit would make it do. An edit that names no quirks
    /// says nothing about that.
    pub fn is_already_in(&self, quirks: &Quirks) -> bool {
        let changes = self.gains.len() + self.loses.len() > 0;
        changes
            && self.gains.iter().all(|quirk| quirks.has(*quirk))
            && !self.loses.iter().any(|quirk| quirks.has(*quirk))
    }
}

/// Makes an overlay of `tree` in `dir` with `edits` applied one after the other.
///
/// # Errors
/// An edit has no place in the tree, or the overlay cannot be written.
pub fn apply(edits: &[Edit], tree: &Tree, dir: &Path) -> Result<Overlay, EditError> {
    let mut overlay = Overlay::new(tree, dir)?;
    for edit in edits {
        edit.apply(&mut overlay)?;
    }
    Ok(overlay)
}
