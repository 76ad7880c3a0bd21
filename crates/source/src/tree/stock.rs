// SPDX-License-Identifier: GPL-2.0-only
//! What is known of one tree: its version, its files and where it comes from.

use std::path::PathBuf;

use super::error::TreeError;
use super::hash::sha256_file;
use super::manifest::{Known, manifest};
use super::origin::{self, Origin};

/// One kernel source tree on disk, as it was when it was opened. percuss never writes to it; patches and edits go to an
/// [`Overlay`](super::Overlay).
#[derive(Clone, Debug)]
pub struct Tree {
    /// The manifest's name, or the directory as it was given.
    pub name: String,
    pub dir: PathBuf,
    /// The version its top Makefile states, `6.12.117`.
    pub version: String,
    pub origin: Origin,
    /// The allocator's files that exist in it, with their SHA-256: `("mm/percpu.c", "a41d…")`.
    pub files: Vec<(String, String)>,
    /// The manifest's entry with exactly these allocator files, under whatever name they came. None when a file was
    /// changed, or the version was never seen.
    pub known: Option<&'static Known>,
}

impl Tree {
    /// Takes stock of the kernel in `dir`, which must have every file the manifest requires.
    ///
    /// # Errors
    /// A required file is missing, the Makefile states no version, or an allocator file cannot be read.
    pub(crate) fn open(name: &str, dir: PathBuf, origin: Origin) -> Result<Tree, TreeError> {
        let manifest = manifest();
        if let Some(missing) = manifest.required.iter().find(|file| !dir.join(file).is_file()) {
            return Err(TreeError::not_a_kernel(&dir, missing));
        }
        let version = origin::makefile_version(&dir)?;
        let mut files = Vec::new();
        // Not all of them are required: a tree may lack one that an image is not made of.
        for file in manifest.allocator.iter().filter(|file| dir.join(file).is_file()) {
            files.push((file.clone(), sha256_file(&dir.join(file))?));
        }
        let known = manifest.identify(&files);
        Ok(Tree { name: name.to_owned(), dir, version, origin, files, known })
    }

    /// The path of `file` in this tree; whether it exists is the caller's question.
    pub fn path(&self, file: &str) -> PathBuf {
        self.dir.join(file)
    }

    pub fn sha256(&self, file: &str) -> Option<&str> {
        self.files.iter().find(|(path, _)| path == file).map(|(_, hash)| hash.as_str())
    }
}

impl std::fmt::Display for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (Linux {}, {})", self.name, self.version, self.origin)
    }
}
