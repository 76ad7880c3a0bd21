// SPDX-License-Identifier: GPL-2.0-only
//! Edits: small named changes of the allocator, for measuring what percuss detects.
//!
//! Each edit is a file below `bugs/`, in our own words and code. Of the kernel's text it holds anchors only, at most one
//! statement each, by which the place is found in any tree that has it. The folder says what the edit is for, see
//! [`Purpose`]. An edit may have another as its base, which is applied before it.

mod change;
mod checkers;
mod error;
mod place;
mod table;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use change::{Action, Change, Part};
pub use checkers::{Checkers, Sees};
pub use error::{EditError, Wanted};
pub use table::names;

use crate::tree::{Overlay, Tree};
pub use percuss_oracle::OracleKind;

/// A named edit.
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
    /// The part of the allocator it is about.
    pub class: Class,
    /// The oracles that ought to notice; for a fix, those that ought to fall silent; none for a variant.
    pub oracles: Vec<OracleKind>,
    /// The kernel commit that had fixed it, where there was one.
    #[serde(default)]
    pub upstream: Option<String>,
    /// What a program must use for it to show.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// The edit it changes, when it is not the tree itself.
    #[serde(default)]
    pub base: Option<String>,
    /// The named trees it is known to apply to.
    pub trees: Vec<String>,
    /// What the kernel's own checkers could see of it, for a seeded bug.
    #[serde(default)]
    pub kernel: Option<Checkers>,
    /// The changes, applied in order.
    #[serde(rename = "edit")]
    pub changes: Vec<Change>,
}

/// What an edit is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// Puts a known bug in, or back in. The detection benchmark counts these.
    #[default]
    Seeded,
    /// Takes a bug out that the named trees still have.
    Fix,
    /// Makes the C crash, loop or recurse, to test that a worker survives it.
    Crash,
    /// Does what a proposed or an older kernel does, in our own words: it is never that kernel's text.
    Variant,
}

impl Purpose {
    /// In the order in which errors list the names of edits.
    pub const ALL: [Purpose; 4] = [Purpose::Seeded, Purpose::Fix, Purpose::Crash, Purpose::Variant];

    /// The folder that holds such edits, by its path in the repository.
    pub fn folder(self) -> &'static str {
        match self {
            Purpose::Seeded => "bugs/seeded",
            Purpose::Fix => "bugs/fixes",
            Purpose::Crash => "bugs/crashes",
            Purpose::Variant => "bugs/variants",
        }
    }
}

/// The part of the allocator an edit is about.
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
    /// The name in files and reports.
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
    /// Charged allocations.
    Memcg,
    /// kmem accounting switched off at boot.
    KmemDisabled,
    /// A reserved chunk.
    Reserved,
    /// Translations to physical addresses.
    Phys,
    /// A second chunk, emptied again until balance reclaims it.
    Reclaim,
}

impl Edit {
    /// The edit called `name`, whatever the case.
    pub fn load(name: &str) -> Result<Edit, EditError> {
        let file = table::find(name).ok_or_else(|| unknown(name))?;
        Edit::parse(file.name, file.purpose, file.text)
    }

    /// The variant called `name`, whatever the case.
    ///
    /// # Errors
    /// There is no such edit, or it is no variant.
    pub fn variant(name: &str) -> Result<Edit, EditError> {
        let unknown = || unknown_variant(name);
        let edit = Edit::load(name).map_err(|_| unknown())?;
        if edit.purpose == Purpose::Variant { Ok(edit) } else { Err(unknown()) }
    }

    /// The variants among what was applied to an overlay.
    pub fn variants_among(applied: &[String]) -> Vec<Edit> {
        let all = Edit::all().unwrap_or_default().into_iter();
        all.filter(|edit| edit.purpose == Purpose::Variant && applied.contains(&edit.label())).collect()
    }

    /// Its name in reports, where a variant must not be taken for the patch it is named after.
    pub fn label(&self) -> String {
        if self.purpose == Purpose::Variant { format!("our variant {}", self.name) } else { self.name.clone() }
    }

    /// Every edit there is, in the order of [`names`].
    pub fn all() -> Result<Vec<Edit>, EditError> {
        names().map(Edit::load).collect()
    }

    /// Reads an edit from TOML; `source` names it in errors.
    pub fn parse(source: &str, purpose: Purpose, text: &str) -> Result<Edit, EditError> {
        let wrong = |detail: String| EditError::Format { edit: source.to_owned(), detail };
        let mut edit: Edit = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        edit.purpose = purpose;
        for change in &edit.changes {
            if (change.action == Action::Delete) != change.text.is_empty() {
                return Err(wrong("`delete` takes no text, every other action needs one".to_owned()));
            }
            if change.text.contains("//") || change.text.contains('#') {
                return Err(wrong("the text is put on one line: no `//` and no preprocessor directives".to_owned()));
            }
            if change.anchor.trim().is_empty() || change.functions().is_empty() || change.nth == Some(0) {
                return Err(wrong("a change needs an anchor, a function, and `nth` counts from 1".to_owned()));
            }
        }
        if edit.changes.is_empty() { Err(wrong("no changes".to_owned())) } else { Ok(edit) }
    }

    /// Makes this edit's changes in `overlay`: all, or none and an error. Its base comes first if it is not there yet.
    pub fn apply(&self, overlay: &mut Overlay) -> Result<(), EditError> {
        if let Some(base) = &self.base {
            let base = Edit::load(base)?;
            if !overlay.applied.contains(&base.label()) {
                base.apply(overlay)?;
            }
        }
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

/// Makes an overlay of `tree` in `dir` with `edits` applied one after the other.
pub fn apply(edits: &[Edit], tree: &Tree, dir: &Path) -> Result<Overlay, EditError> {
    let mut overlay = Overlay::new(tree, dir)?;
    for edit in edits {
        edit.apply(&mut overlay)?;
    }
    Ok(overlay)
}
