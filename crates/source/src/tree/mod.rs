// SPDX-License-Identifier: GPL-2.0-only
//! Kernel trees: which ones percuss knows, where they come from, and exactly what was taken from them.
//!
//! A tree is named by a *spec*: a name of `vendor/manifest.toml` (`6.12`, `6.1`), unpacked from Debian's source package
//! on first use and kept in a cache, or a directory that holds a kernel. No kernel text is part of percuss itself.

mod cache;
mod error;
mod hash;
mod manifest;
mod origin;
mod overlay;
mod revision;
mod stamp;
mod unpack;

use std::path::{Path, PathBuf};

pub use cache::{Resolver, find_checkout};
pub use error::TreeError;
pub use hash::{sha256_bytes, sha256_file};
pub use manifest::{Entry, Known, Manifest, manifest};
pub use origin::Origin;
pub use overlay::Overlay;

/// One kernel source tree on disk.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The manifest's name, or the directory as it was given.
    pub name: String,
    /// Where its files are.
    pub dir: PathBuf,
    /// The version its top Makefile states, `6.12.117`.
    pub version: String,
    /// What stands behind it: a Debian package, a git checkout, or just a directory.
    pub origin: Origin,
    /// The allocator's files that exist in it, with their SHA-256: `("mm/percpu.c", "a41d…")`.
    pub files: Vec<(String, String)>,
    /// The manifest's entry with exactly these allocator files, under whatever name they came.
    pub known: Option<&'static Known>,
}

impl Tree {
    /// Finds the tree `spec` names, unpacking it if need be; `root` is the checkout percuss runs from, or any directory.
    ///
    /// Reads `PERCUSS_TARBALL_DIR` and `PERCUSS_CACHE`; [`Resolver`] takes the same two as arguments.
    pub fn resolve(spec: &str, root: &Path) -> Result<Tree, TreeError> {
        Resolver::from_env(root)?.resolve(spec)
    }

    /// The tree of a revision of the git checkout `spec`, kept in the cache; the checkout is only read.
    pub fn revision(spec: &str, rev: &str, root: &Path) -> Result<Tree, TreeError> {
        Resolver::from_env(root)?.revision(spec, rev)
    }

    /// Takes stock of the kernel in `dir`, which must have every file the manifest requires.
    pub(crate) fn open(name: &str, dir: PathBuf, origin: Origin) -> Result<Tree, TreeError> {
        let manifest = manifest();
        if let Some(missing) = manifest.required.iter().find(|file| !dir.join(file).is_file()) {
            return Err(TreeError::not_a_kernel(&dir, missing));
        }
        let version = origin::makefile_version(&dir)?;
        let mut files = Vec::new();
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

    /// The SHA-256 of one allocator file, if the tree has it.
    pub fn sha256(&self, file: &str) -> Option<&str> {
        self.files.iter().find(|(path, _)| path == file).map(|(_, hash)| hash.as_str())
    }
}

impl std::fmt::Display for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (Linux {}, {})", self.name, self.version, self.origin)
    }
}
