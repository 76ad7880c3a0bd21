// SPDX-License-Identifier: GPL-2.0-only
//! What can go wrong before a tree is there: each error says what, where, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::manifest;

/// A tree could not be found, unpacked or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TreeError {
    /// Neither a name nor a directory.
    #[error(
        "unknown kernel tree `{spec}`: not one of {known} and not a directory\n  \
         help: `apt-get install {packages}` brings the named trees; `--tree DIR` takes any kernel checkout"
    )]
    Unknown {
        /// What was asked for.
        spec: String,
        /// The names that exist.
        known: String,
        /// Their Debian packages.
        packages: String,
    },
    /// A named tree's tarball is not installed, nor is there an unpacked copy.
    #[error(
        "kernel tree {name} needs {}, which does not exist\n  \
         help: `apt-get install {package}` brings it; on other distributions give a kernel checkout with `--tree DIR`",
        tarball.display()
    )]
    NoTarball {
        /// The tree.
        name: String,
        /// Where the tarball should be.
        tarball: PathBuf,
        /// The Debian package that has it.
        package: String,
    },
    /// The directory is not a kernel tree.
    #[error("{} is not a kernel tree percuss can use: it has no {missing}\n  help: {help}", dir.display())]
    NotAKernel {
        /// The directory.
        dir: PathBuf,
        /// The first required file it lacks.
        missing: String,
        /// What to give instead.
        help: String,
    },
    /// The top Makefile states no version.
    #[error(
        "{} states no kernel version (no VERSION and PATCHLEVEL)\n  help: give the top directory of a kernel tree",
        path.display()
    )]
    NoVersion {
        /// The Makefile.
        path: PathBuf,
    },
    /// The tarball cannot be read to its end, or lacks files.
    #[error(
        "{} is damaged or not the expected tarball: {detail}\n  \
         help: `apt-get install --reinstall {package}` brings a good one",
        tarball.display()
    )]
    Corrupt {
        /// The tarball.
        tarball: PathBuf,
        /// What the tools said.
        detail: String,
        /// The Debian package that has it.
        package: String,
    },
    /// The unpacked files differ from the tarball's.
    #[error(
        "{} differs from its tarball: {file}\n  help: remove the directory; the next run unpacks it anew",
        dir.display()
    )]
    Differs {
        /// The unpacked tree.
        dir: PathBuf,
        /// The first file that differs.
        file: String,
    },
    /// `tar` or `xz` is not there.
    #[error(
        "the program `{tool}` is needed to unpack a kernel tree and cannot be run: {source}\n  \
         help: `apt-get install {package}`"
    )]
    NoTool {
        /// The program.
        tool: String,
        /// Its Debian package.
        package: String,
        /// Why it did not start.
        source: io::Error,
    },
    /// Unpacking failed for a reason that is not the tarball's.
    #[error("cannot unpack {} to {}: {detail}\n  help: check free space and permissions there", tarball.display(), into.display())]
    Unpack {
        /// The tarball.
        tarball: PathBuf,
        /// Where to.
        into: PathBuf,
        /// What tar said.
        detail: String,
    },
    /// The cache directory cannot be made or written.
    #[error(
        "cannot write the tree cache {}: {source}\n  help: set PERCUSS_CACHE to a directory that can be written",
        path.display()
    )]
    Cache {
        /// The path that failed.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A revision cannot be had.
    #[error(
        "cannot take revision `{rev}` of {}: {detail}\n  \
         help: `--rev` needs the top directory of a git checkout and a commit, tag or branch that it has",
        dir.display()
    )]
    Revision {
        /// The checkout.
        dir: PathBuf,
        /// What was asked for.
        rev: String,
        /// What git said.
        detail: String,
    },
    /// There is no place for a cache.
    #[error(
        "no place for the tree cache: neither PERCUSS_CACHE, XDG_CACHE_HOME nor HOME is set\n  help: set PERCUSS_CACHE"
    )]
    NoCache,
    /// A file of the tree cannot be read.
    #[error("cannot read {}: {source}\n  help: check that it exists and its permissions", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A scratch copy cannot be written.
    #[error("cannot write {}: {source}\n  help: check free space and permissions there", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
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

    /// Names the first missing file, and a better directory when there is an obvious one.
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
