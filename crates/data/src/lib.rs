// SPDX-License-Identifier: GPL-2.0-only
//! Files of this repository, compiled in: edits, text programs and tables.
//!
//! The command works without a checkout, so everything it needs at run time is part of the binary. The list of files is
//! made by the build script, sorted by path; a file that is added to one of its folders needs no line of code. This
//! crate is at the bottom, so that each of the others reads its own files here and none repeats a path relative to its
//! source.

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// The text of a file, by its path in the repository, as `vendor/manifest.toml`.
///
/// # Panics
/// No such file is compiled in. Names come from tables in the source, so a wrong one is a defect of percuss.
pub fn file(path: &str) -> &'static str {
    // The build script sorts the paths.
    let at = FILES.binary_search_by_key(&path, |(name, _)| name);
    FILES[at.unwrap_or_else(|_| panic!("{path} is not compiled in"))].1
}

/// The files below a folder and in folders of it, as (name of the file, text), in order of their paths. None for a
/// folder that is not compiled in, which is no error.
pub fn folder(dir: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    FILES
        .iter()
        // The slash keeps `bugs` from meaning `bugs-of-others` as well.
        .filter(move |(path, _)| path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/')))
        .map(|(path, text)| (path.rsplit('/').next().unwrap_or(path), *text))
}
