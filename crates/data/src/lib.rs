// SPDX-License-Identifier: GPL-2.0-only
//! Files of this repository, compiled in: edits, text programs and tables.
//!
//! The command works without a checkout, so everything it needs at run time is part of the binary. The list of files is
//! made by the build script.

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// The text of a file, by its path in the repository.
///
/// # Panics
/// No such file is compiled in. Names come from tables in the source, so a wrong one is a defect of percuss.
pub fn file(path: &str) -> &'static str {
    let at = FILES.binary_search_by_key(&path, |(name, _)| name);
    FILES[at.unwrap_or_else(|_| panic!("{path} is not compiled in"))].1
}

/// The files below a folder as (name of the file, text), in order of their paths.
pub fn folder(dir: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    FILES
        .iter()
        .filter(move |(path, _)| path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/')))
        .map(|(path, text)| (path.rsplit('/').next().unwrap_or(path), *text))
}
