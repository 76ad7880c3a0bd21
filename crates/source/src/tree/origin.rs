// SPDX-License-Identifier: GPL-2.0-only
//! Where a tree comes from and which kernel version it is.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::TreeError;

/// Where a tree comes from. It is part of reports, so that a finding can be reproduced on the same source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Package {
        package: String,
        /// The package's version, when the tarball is the installed package's. A tarball of another directory may be of
        /// any version.
        version: Option<String>,
    },
    Git {
        /// The commit checked out, shortened to 12 digits.
        commit: String,
        /// `git describe` of it, `-dirty` when mm, include or lib were changed.
        describe: String,
    },
    Directory,
}

impl Origin {
    /// Asks git, but only where there is a `.git`: a tarball unpacked inside some other checkout is a plain directory.
    pub(super) fn of_directory(dir: &Path) -> Origin {
        if !dir.join(".git").exists() {
            return Origin::Directory;
        }
        // No git, no commit yet, or a checkout of another user that git refuses to read.
        let Some(commit) = git(dir, &["rev-parse", "--short=12", "HEAD"]) else { return Origin::Directory };
        let mut describe = git(dir, &["describe", "--tags", "--always", "--abbrev=12"]).unwrap_or(commit.clone());
        // Only what an image is compiled from: a change elsewhere makes no difference.
        if git(dir, &["diff", "--quiet", "HEAD", "--", "mm", "include", "lib"]).is_none() {
            describe.push_str("-dirty");
        }
        Origin::Git { commit, describe }
    }
}

fn git(dir: &Path, args: &[&str]) -> Option<String> {
    // A failure of git is no error: a tree is as good without its history.
    let output = Command::new("git").arg("-C").arg(dir).args(args).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Package { package, version: Some(version) } => write!(f, "{package} {version}"),
            Origin::Package { package, version: None } => write!(f, "{package}"),
            Origin::Git { describe, .. } => write!(f, "git {describe}"),
            Origin::Directory => write!(f, "directory"),
        }
    }
}

/// The version of the installed Debian package. None if there is no dpkg, or the package is not installed; a removed
/// one may leave its configuration, and dpkg-query then reports a version as well.
pub(super) fn package_version(package: &str) -> Option<String> {
    let format = "-f=${db:Status-Status} ${Version}";
    let output = Command::new("dpkg-query").args(["-W", format, package]).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.strip_prefix("installed ").map(str::to_owned)
}

/// The version the top Makefile states: `VERSION.PATCHLEVEL.SUBLEVEL` and `EXTRAVERSION`.
///
/// # Errors
/// There is no Makefile, or it assigns no numbers to `VERSION` and `PATCHLEVEL`.
pub(super) fn makefile_version(dir: &Path) -> Result<String, TreeError> {
    let path = dir.join("Makefile");
    let bytes = std::fs::read(&path).map_err(|source| TreeError::Read { path: path.clone(), source })?;
    parse_version(&String::from_utf8_lossy(&bytes)).ok_or(TreeError::NoVersion { path })
}

fn parse_version(makefile: &str) -> Option<String> {
    let value = |key: &str| {
        // The assignments are at the top; further down, the same names are used otherwise.
        makefile.lines().take(20).find_map(|line| {
            let (name, value) = line.split_once('=')?;
            (name.trim() == key).then(|| value.trim().to_owned())
        })
    };
    let number = |key| value(key).filter(|text| text.parse::<u32>().is_ok());
    let (version, patchlevel) = (number("VERSION")?, number("PATCHLEVEL")?);
    let sublevel = number("SUBLEVEL").unwrap_or_else(|| "0".to_owned());
    Some(format!("{version}.{patchlevel}.{sublevel}{}", value("EXTRAVERSION").unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let text = "# SPDX\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 117\nEXTRAVERSION =\nNAME = Baby\n";
        assert_eq!(parse_version(text).as_deref(), Some("6.12.117"));
        assert_eq!(parse_version(&text.replace("VERSION =\n", "VERSION = -rc3\n")).as_deref(), Some("6.12.117-rc3"));
        assert_eq!(parse_version("all:\n\tcc x.c\n"), None);
        assert_eq!(parse_version("VERSION = six\nPATCHLEVEL = 1\n"), None);
    }
}
