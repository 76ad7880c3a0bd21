// SPDX-License-Identifier: GPL-2.0-only
//! The edits that are compiled in: the files of `bugs/`.

/// Each edit as (name, text), in order of the names of their files.
fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    percuss_data::folder("bugs").map(|(file, text)| (file.strip_suffix(".toml").unwrap_or(file), text))
}

/// The names of all edits.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(|(name, _)| name)
}

pub(super) fn find(name: &str) -> Option<(&'static str, &'static str)> {
    all().find(|(known, _)| known.eq_ignore_ascii_case(name))
}
