// SPDX-License-Identifier: GPL-2.0-only
//! The kinds of edits, a folder of `bugs/` each.

/// What an edit is for. The folder of its file decides, so that a listing of `bugs/` shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// Puts a known bug in, or back in. The detection benchmark counts these.
    #[default]
    Seeded,
    /// Takes a bug out that the named trees still have.
    Fix,
    /// Makes the C crash, loop or recurse, to test that a worker survives it.
    Crash,
    /// Does what a proposed or an older kernel does, in our own words: it is never that kernel's text.
    Variant,
}

impl Purpose {
    /// In the order in which errors list the names of edits.
    pub const ALL: [Purpose; 4] = [Purpose::Seeded, Purpose::Fix, Purpose::Crash, Purpose::Variant];

    /// The folder that holds such edits, by its path in the repository.
    pub fn folder(self) -> &'static str {
        match self {
            Purpose::Seeded => "bugs/seeded",
            Purpose::Fix => "bugs/fixes",
            Purpose::Crash => "bugs/crashes",
            Purpose::Variant => "bugs/variants",
        }
    }
}
