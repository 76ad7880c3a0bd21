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
mod stock;
mod unpack;

use std::path::Path;

pub use cache::{Resolver, find_checkout};
pub use error::TreeError;
pub use hash::{sha256_bytes, sha256_file};
pub use manifest::{Entry, Known, Manifest, manifest};
pub use origin::Origin;
pub use overlay::Overlay;
pub use stock::Tree;

impl Tree {
    /// Finds the tree `spec` names, unpacking it if need be; `root` is the checkout percuss runs from, or any
    /// directory.
    ///
    /// Reads `PERCUSS_TARBALL_DIR` and `PERCUSS_CACHE`; [`Resolver`] takes the same two as arguments.
    ///
    /// # Errors
    /// The spec is no name and no directory, what it names is no kernel tree, or the tarball cannot be unpacked.
    pub fn resolve(spec: &str, root: &Path) -> Result<Tree, TreeError> {
        Resolver::from_env(root)?.resolve(spec)
    }

    /// The tree of a revision of the git checkout `spec`, kept in the cache; the checkout is only read.
    ///
    /// # Errors
    /// `spec` is not the top of a git checkout, or git knows no such commit, or the commit is no kernel.
    pub fn revision(spec: &str, rev: &str, root: &Path) -> Result<Tree, TreeError> {
        Resolver::from_env(root)?.revision(spec, rev)
    }
}
