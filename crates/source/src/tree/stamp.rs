// SPDX-License-Identifier: GPL-2.0-only
//! The stamp of an unpacked tree: from which tarball it was made, and that nobody changed it since.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::{Entry, Origin, Tree, TreeError, manifest, sha256_bytes, sha256_file};

/// The stamp's file name in the tree.
pub(super) const FILE: &str = ".percuss-tree.json";

/// What an unpacked tree was made from.
#[derive(Serialize, Deserialize, PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    format: u32,
    /// Hash of the list of what is unpacked.
    unpack: String,
    size: u64,
    mtime_ns: u128,
    package_version: Option<String>,
    /// Every allocator file as it was unpacked.
    sha256: BTreeMap<String, String>,
}

impl Stamp {
    const FORMAT: u32 = 1;

    /// The stamp of the tree just unpacked into `dir` from a tarball of this size and time of change.
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

    /// The stamp in `dir`, if there is a legible one.
    pub(super) fn read(dir: &Path) -> Option<Stamp> {
        serde_json::from_slice(&fs::read(dir.join(FILE)).ok()?).ok()
    }

    /// Puts the stamp into `dir`.
    pub(super) fn write(&self, dir: &Path) -> io::Result<()> {
        let json = serde_json::to_vec_pretty(self).expect("a stamp is plain data");
        fs::write(dir.join(FILE), json)
    }

    fn unpack_hash() -> String {
        sha256_bytes(manifest().unpack.join("\n").as_bytes())
    }

    /// Whether the tree in `dir` is what this build would unpack; without a tarball an old one will do.
    pub(super) fn matches(&self, dir: &Path, tarball: Option<(u64, u128)>) -> bool {
        self.format == Self::FORMAT
            && self.unpack == Self::unpack_hash()
            && tarball.is_none_or(|identity| identity == (self.size, self.mtime_ns))
            && self.sha256.iter().all(|(file, hash)| sha256_file(&dir.join(file)).is_ok_and(|found| found == *hash))
    }

    /// The tree this stamp was read from.
    pub(super) fn open(self, entry: &Entry, dir: PathBuf) -> Result<Tree, TreeError> {
        let origin = Origin::Package { package: entry.package.clone(), version: self.package_version };
        Tree::open(&entry.name, dir, origin)
    }
}
