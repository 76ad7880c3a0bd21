// SPDX-License-Identifier: GPL-2.0-only
//! `vendor/manifest.toml`, compiled in: the kernel trees that have a name, and the hashes of versions that were seen.
//!
//! Unknown keys are an error, for a misspelt one would otherwise be ignored without a word.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Where the distribution puts its source tarballs; `PERCUSS_TARBALL_DIR` overrides it.
    pub tarballs: PathBuf,
    /// What is unpacked from every tarball, relative to its top directory; `*` is a wildcard of `tar`. A whole kernel
    /// is over a gigabyte, and these are the parts that an image is compiled from.
    pub unpack: Vec<String>,
    /// The allocator's own files. Their hashes identify a version, and reports name them.
    pub allocator: Vec<String>,
    /// Files without which a directory is no kernel tree that percuss can compile.
    pub required: Vec<String>,
    #[serde(rename = "tree")]
    pub trees: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub name: String,
    pub package: String,
    pub tarball: String,
    /// The one directory at the top of the tarball.
    pub top: String,
    /// Package versions whose files were seen. Others work as well, but reports cannot name them.
    #[serde(default)]
    pub known: Vec<Known>,
}

/// One package version, by the hashes of its allocator files.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// The version that the top Makefile states, `6.12.117`.
    pub version: String,
    pub package_version: String,
    /// SHA-256 of the tarball, for places that are not Debian and get it as an archive (`fuzz/oss-fuzz/build.sh`).
    pub tarball_sha256: Option<String>,
    /// SHA-256 of each allocator file, by its path in the tree.
    pub sha256: BTreeMap<String, String>,
}

impl Manifest {
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.trees.iter().find(|entry| entry.name == name)
    }

    pub fn names(&self) -> Vec<&str> {
        self.trees.iter().map(|entry| entry.name.as_str()).collect()
    }

    /// The known version with exactly these allocator files, as pairs of path and SHA-256.
    ///
    /// Only content counts: a checkout of the right commit is identified, and a tree with a changed file is not,
    /// whatever its name and Makefile say.
    pub fn identify(&self, files: &[(String, String)]) -> Option<&Known> {
        self.trees.iter().flat_map(|entry| &entry.known).find(|known| {
            // Equal counts too, or a tree with one file more would pass for the version without it.
            known.sha256.len() == files.len() && files.iter().all(|(file, hash)| known.sha256.get(file) == Some(hash))
        })
    }
}

pub fn manifest() -> &'static Manifest {
    static MANIFEST: OnceLock<Manifest> = OnceLock::new();
    MANIFEST.get_or_init(|| {
        toml::from_str(percuss_data::file("vendor/manifest.toml")).expect("vendor/manifest.toml is checked by a test")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_version_hashes_every_allocator_file() {
        let manifest = manifest();
        assert_eq!(manifest.names(), ["6.12", "6.1"]);
        for known in manifest.trees.iter().flat_map(|entry| &entry.known) {
            assert!(manifest.allocator.iter().all(|file| known.sha256.get(file).is_some_and(|hash| hash.len() == 64)));
            assert!(known.tarball_sha256.as_ref().is_none_or(|hash| hash.len() == 64));
            assert!(known.package_version.starts_with(&known.version), "{}", known.package_version);
        }
    }

    #[test]
    fn identifies_by_content_not_by_name() {
        let known = &manifest().trees[1].known[0];
        let mut files: Vec<_> = known.sha256.clone().into_iter().collect();
        assert_eq!(manifest().identify(&files).map(|found| found.version.as_str()), Some(known.version.as_str()));
        files[0].1.replace_range(..1, "x");
        assert!(manifest().identify(&files).is_none());
    }
}
