// SPDX-License-Identifier: GPL-2.0-only
//! Unpacking a source tarball with the system's `xz` and `tar`.
//!
//! The two run as a pipe, with `xz` on all CPUs: decompressing is most of the time, and a Debian system that builds
//! kernels has both.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::{Entry, TreeError, manifest};

#[derive(Clone, Debug)]
pub(super) struct Tools {
    pub xz: OsString,
    pub tar: OsString,
}

impl Default for Tools {
    fn default() -> Self {
        Tools { xz: "xz".into(), tar: "tar".into() }
    }
}

/// Unpacks what the manifest lists from `tarball` into the existing directory `into`, without the top directory.
///
/// The tarball is read to its end, so that a truncated one never passes.
///
/// # Errors
/// A program is missing, the tarball is damaged, or `into` cannot be written; these have different advice for the user,
/// so they are distinguished by what the programs print in the C locale.
pub(super) fn unpack(tools: &Tools, entry: &Entry, tarball: &Path, into: &Path) -> Result<(), TreeError> {
    let missing = |tool: &OsString, package: &str| {
        let (tool, package) = (tool.to_string_lossy().into_owned(), package.to_owned());
        move |source| TreeError::NoTool { tool, package, source }
    };
    let mut xz = Command::new(&tools.xz)
        .args(["-dc", "-T0"])
        .arg(tarball)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(missing(&tools.xz, "xz-utils"))?;
    let tar = Command::new(&tools.tar)
        // As root, tar would give the files to the users that the archive names.
        .args(["-x", "-f", "-", "--strip-components=1", "--no-same-owner", "--wildcards", "-C"])
        .arg(into)
        .args(manifest().unpack.iter().map(|pattern| format!("{}/{pattern}", entry.top)))
        .env("LC_ALL", "C")
        .stdin(xz.stdout.take().expect("stdout is piped"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(missing(&tools.tar, "tar"));
    // Without a tar, the pipe is closed by now and xz ends by itself.
    let tar = tar.and_then(|tar| tar.wait_with_output().map_err(missing(&tools.tar, "tar")));
    let xz = xz.wait_with_output().map_err(missing(&tools.xz, "xz-utils"));
    // Both have ended. A tool that is missing explains everything after it.
    let (tar, xz) = (tar?, xz?);

    let corrupt = |detail| TreeError::Corrupt { tarball: tarball.to_owned(), detail, package: entry.package.clone() };
    // xz ends with a code of its own only when its input is bad; a signal means that tar gave up first.
    if xz.status.code().is_some_and(|code| code != 0) && !said(&xz).contains("Broken pipe") {
        return Err(corrupt(said(&xz)));
    }
    if !tar.status.success() {
        let detail = said(&tar);
        let foreign = ["Not found in archive", "does not look like a tar archive", "Unexpected EOF"];
        if foreign.iter().any(|text| detail.contains(text)) {
            return Err(corrupt(detail));
        }
        return Err(TreeError::Unpack { tarball: tarball.to_owned(), into: into.to_owned(), detail });
    }
    Ok(())
}

/// The first line a program wrote to its standard error, or how it ended when it wrote nothing, as after a signal.
fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines().map(str::trim).find(|line| !line.is_empty()).map_or_else(|| output.status.to_string(), str::to_owned)
}
