// SPDX-License-Identifier: GPL-2.0-only
//! The stamp of an unpacked tree: from which tarball it was made, and what its files were then.
//!
//! A tree whose stamp does not match is unpacked again. Without the check, a package upgrade or an experiment in the
//! cached files would silently change what a report calls `6.12`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::{Entry, Origin, Tree, TreeError, manifest, sha256_bytes, sha256_file};

/// The stamp's file name, at the top of the tree. It is written last, so a tree without one is incomplete.
pub(super) const FILE: &str = ".percuss-tree.json";

#[derive(Serialize, Deserialize, PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    format: u32,
    /// Hash of the manifest's list of what is unpacked: a build that needs more files unpacks anew.
    unpack: String,
    size: u64,
    mtime_ns: u128,
    package_version: Option<String>,
    /// SHA-256 of every allocator file as it was unpacked. Hashing all headers at each start would take too long.
    sha256: BTreeMap<String, String>,
}

impl Stamp {
    /// Counted up when the fields change their meaning; a stamp with another number is no stamp.
    const FORMAT: u32 = 1;

    /// The stamp of the tree just unpacked into `dir` from a tarball of this size in bytes and time of change in
    /// nanoseconds.
    pub(super) fn new(
        dir: &Path,
        (size, mtime_ns): (u64, u128),
        package_version: Option<String>,
    ) -> Result<Stamp, TreeError> {
        let mut sha256 = BTreeMap::new();
        for file in manifest().allocator.iter().filter(|file| dir.join(file).is_file()) {
            sha256.insert(file.clone(), sha256_file(&dir.join(file))?);
        }
        Ok(Stamp { format: Self::FORMAT, unpack: Self::unpack_hash(), size, mtime_ns, package_version, sha256 })
    }

    /// The stamp in `dir`, if there is a legible one. A damaged one counts as none: the tree is unpacked again.
    pub(super) fn read(dir: &Path) -> Option<Stamp> {
        serde_json::from_slice(&fs::read(dir.join(FILE)).ok()?).ok()
    }

    pub(super) fn write(&self, dir: &Path) -> io::Result<()> {
        let json = serde_json::to_vec_pretty(self).expect("a stamp is plain data");
        fs::write(dir.join(FILE), json)
    }

    fn unpack_hash() -> String {
        sha256_bytes(manifest().unpack.join("\n").as_bytes())
    }

    /// Whether the tree in `dir` is what this build would unpack. Without a tarball, a tree of any tarball is good: the
    /// package may have been removed since.
    pub(super) fn matches(&self, dir: &Path, tarball: Option<(u64, u128)>) -> bool {
        self.format == Self::FORMAT
            // The cheap comparisons come first: the last one reads files.
            && self.unpack == Self::unpack_hash()
            && tarball.is_none_or(|identity| identity == (self.size, self.mtime_ns))
            && self.sha256.iter().all(|(file, hash)| sha256_file(&dir.join(file)).is_ok_and(|found| found == *hash))
    }

    /// The tree in `dir`, which this stamp was read from, with the package's version at the time it was unpacked.
    pub(super) fn open(self, entry: &Entry, dir: PathBuf) -> Result<Tree, TreeError> {
        let origin = Origin::Package { package: entry.package.clone(), version: self.package_version };
        Tree::open(&entry.name, dir, origin)
    }
}
