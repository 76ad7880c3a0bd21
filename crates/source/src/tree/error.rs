// SPDX-License-Identifier: GPL-2.0-only
//! What can go wrong before a tree is there: each error says what, where, and what to do about it.
//!
//! The second line of a message begins with `help:`. It is what a user reads who has never heard of trees and caches,
//! so each names one command or option.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::manifest;

/// A tree could not be found, unpacked or read. Nothing half-made stays in the cache: the next run starts afresh.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TreeError {
    /// The spec is neither a name of the manifest nor a directory.
    #[error(
        "unknown kernel tree `{spec}`: not one of {known} and not a directory\n  \
         help: `apt-get install {packages}` brings the named trees; `--tree DIR` takes any kernel checkout"
    )]
    Unknown { spec: String, known: String, packages: String },
    #[error(
        "kernel tree {name} needs {}, which does not exist\n  \
         help: `apt-get install {package}` brings it; on other distributions give a kernel checkout with `--tree DIR`",
        tarball.display()
    )]
    NoTarball { name: String, tarball: PathBuf, package: String },
    #[error("{} is not a kernel tree percuss can use: it has no {missing}\n  help: {help}", dir.display())]
    NotAKernel { dir: PathBuf, missing: String, help: String },
    #[error(
        "{} states no kernel version (no VERSION and PATCHLEVEL)\n  help: give the top directory of a kernel tree",
        path.display()
    )]
    NoVersion { path: PathBuf },
    /// The tarball cannot be read to its end, or lacks files that the manifest lists.
    #[error(
        "{} is damaged or not the expected tarball: {detail}\n  \
         help: `apt-get install --reinstall {package}` brings a good one",
        tarball.display()
    )]
    Corrupt { tarball: PathBuf, detail: String, package: String },
    /// A cached tree differs from its tarball, in a file that the stamp does not cover. Only
    /// [`Resolver::verify`](super::Resolver::verify) looks for this.
    #[error(
        "{} differs from its tarball: {file}\n  help: remove the directory; the next run unpacks it anew",
        dir.display()
    )]
    Differs { dir: PathBuf, file: String },
    #[error(
        "the program `{tool}` is needed to unpack a kernel tree and cannot be run: {source}\n  \
         help: `apt-get install {package}`"
    )]
    NoTool { tool: String, package: String, source: io::Error },
    /// Unpacking failed for a reason that is not the tarball's, such as a full disk.
    #[error("cannot unpack {} to {}: {detail}\n  help: check free space and permissions there", tarball.display(), into.display())]
    Unpack { tarball: PathBuf, into: PathBuf, detail: String },
    #[error(
        "cannot write the tree cache {}: {source}\n  help: set PERCUSS_CACHE to a directory that can be written",
        path.display()
    )]
    Cache { path: PathBuf, source: io::Error },
    #[error(
        "cannot take revision `{rev}` of {}: {detail}\n  \
         help: `--rev` needs the top directory of a git checkout and a commit, tag or branch that it has",
        dir.display()
    )]
    Revision { dir: PathBuf, rev: String, detail: String },
    #[error(
        "no place for the tree cache: neither PERCUSS_CACHE, XDG_CACHE_HOME nor HOME is set\n  help: set PERCUSS_CACHE"
    )]
    NoCache,
    #[error("cannot read {}: {source}\n  help: check that it exists and its permissions", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// A changed copy of a file cannot be written to the scratch directory of an overlay.
    #[error("cannot write {}: {source}\n  help: check free space and permissions there", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl TreeError {
    pub(super) fn unknown(spec: &str) -> TreeError {
        let trees = &manifest().trees;
        TreeError::Unknown {
            spec: spec.to_owned(),
            known: manifest().names().join(", "),
            packages: trees.iter().map(|entry| entry.package.as_str()).collect::<Vec<_>>().join(" "),
        }
    }

    /// Names the first missing file, and a better directory when there is an obvious one: one below, as after unpacking
    /// an archive with a top directory, or one above, as when `mm/` itself was given.
    pub(super) fn not_a_kernel(dir: &Path, missing: &str) -> TreeError {
        let nested = std::fs::read_dir(dir).ok().and_then(|entries| {
            let kernel = |path: &PathBuf| path.join("mm/percpu.c").is_file();
            entries.flatten().map(|entry| entry.path()).find(kernel)
        });
        let above = dir.ancestors().skip(1).find(|path| path.join("mm/percpu.c").is_file()).map(Path::to_owned);
        let help = match nested.or(above) {
            Some(better) => format!("the kernel seems to be in {}", better.display()),
            None => "give the top directory of a full kernel source tree (a headers package has no mm/)".to_owned(),
        };
        TreeError::NotAKernel { dir: dir.to_owned(), missing: missing.to_owned(), help }
    }
}
