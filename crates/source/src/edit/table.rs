// SPDX-License-Identifier: GPL-2.0-only
//! The edits that are compiled in: the files below `bugs/`. A file that is added there is in the next build; nothing
//! else lists them.

use super::purpose::Purpose;

#[derive(Clone, Copy)]
pub(super) struct EditFile {
    pub name: &'static str,
    pub purpose: Purpose,
    pub text: &'static str,
}

/// All of them by purpose, then by name. Names are sorted without the files' ending: a variant comes before those whose
/// names begin with its own, which are built on it.
fn all() -> Vec<EditFile> {
    let files = |purpose: Purpose| {
        let folder = percuss_data::folder(purpose.folder());
        folder.map(move |(file, text)| EditFile { name: file.strip_suffix(".toml").unwrap_or(file), purpose, text })
    };
    let mut all: Vec<EditFile> = Purpose::ALL.into_iter().flat_map(files).collect();
    all.sort_by_key(|file| (file.purpose as u8, file.name));
    all
}

/// The names of all edits: seeded bugs first, then fixes, crashes and variants.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().into_iter().map(|file| file.name)
}

pub(super) fn find(name: &str) -> Option<EditFile> {
    all().into_iter().find(|file| file.name.eq_ignore_ascii_case(name))
}
