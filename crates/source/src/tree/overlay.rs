// SPDX-License-Identifier: GPL-2.0-only
//! A scratch directory whose files win over a tree's: what edits and patches are applied to.
//!
//! The allocator's files are always copied, together, so that their `#include "…"` of each other stay in the overlay.
//! Others are copied when they are first changed. The tree itself is never written.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Tree, TreeError, manifest};

/// Changed copies of some of a tree's files. The compiler searches it before the tree, so an image is made of the
/// overlay's files where there are any and of the tree's everywhere else.
#[derive(Clone, Debug)]
pub struct Overlay {
    /// The directory: `dir/mm/percpu.c` replaces the tree's `mm/percpu.c`.
    pub dir: PathBuf,
    /// What was done to it, in order: names of edits and patch files. Reports list it, and an edit looks for its base.
    pub applied: Vec<String>,
    tree: PathBuf,
}

impl Overlay {
    /// Starts an overlay of `tree` in `dir`, which is created if need be and holds nothing else.
    ///
    /// # Errors
    /// A file of the tree cannot be read, or its copy cannot be written.
    pub fn new(tree: &Tree, dir: impl Into<PathBuf>) -> Result<Overlay, TreeError> {
        let overlay = Overlay { dir: dir.into(), applied: Vec::new(), tree: tree.dir.clone() };
        // `mm/internal.h` is included by the allocator's files in the same form.
        let beside = manifest().allocator.iter().map(String::as_str).chain(["mm/internal.h"]);
        for file in beside.filter(|file| tree.path(file).is_file()) {
            let text = overlay.read(file)?;
            overlay.write(file, &text)?;
        }
        Ok(overlay)
    }

    /// Whether the tree has `file`, or an earlier patch has created it.
    pub fn has(&self, file: &str) -> bool {
        self.dir.join(file).is_file() || self.tree.join(file).is_file()
    }

    /// The text of `file` as changed so far.
    ///
    /// # Errors
    /// There is no such file, or it is not UTF-8.
    pub fn read(&self, file: &str) -> Result<String, TreeError> {
        let copy = self.dir.join(file);
        let path = if copy.is_file() { copy } else { self.tree.join(file) };
        fs::read_to_string(&path).map_err(|source| TreeError::Read { path, source })
    }

    /// Puts a changed or new `file` into the overlay, with the directories it needs.
    ///
    /// # Errors
    /// The scratch directory cannot be written.
    pub fn write(&self, file: &str, text: &str) -> Result<(), TreeError> {
        let path = self.dir.join(file);
        let made = fs::create_dir_all(path.parent().unwrap_or(Path::new("")));
        made.and_then(|()| fs::write(&path, text)).map_err(|source| TreeError::Write { path, source })
    }
}
