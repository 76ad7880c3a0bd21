// SPDX-License-Identifier: GPL-2.0-only
//! What the kernel's own checkers could see of a bug: reasoned, not measured.

use serde::{Deserialize, Serialize};

/// Whether each of them could see it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Checkers {
    /// Accesses to memory that is not there or not the accessor's.
    pub kasan: Sees,
    /// Lock order, interrupt states, wait contexts, and sleeping where nothing may.
    pub lockdep: Sees,
    /// Data races.
    pub kcsan: Sees,
    /// The module test of lib/test_vmalloc.c.
    pub pcpu_alloc_test: Sees,
    /// One line.
    pub why: String,
}

/// Whether a checker could see a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sees {
    /// When the code runs.
    Yes,
    /// When something comes along that it cannot bring about.
    Rarely,
    /// Never.
    No,
}

impl Checkers {
    /// All with their names.
    pub fn named(&self) -> [(&'static str, Sees); 4] {
        [
            ("KASAN", self.kasan),
            ("lockdep", self.lockdep),
            ("KCSAN", self.kcsan),
            ("pcpu_alloc_test", self.pcpu_alloc_test),
        ]
    }

    /// Those that could see it, with a question mark behind what they would need luck for; a dash for none.
    pub fn words(&self) -> String {
        let word = |(name, sees): (&str, Sees)| match sees {
            Sees::Yes => Some(name.to_owned()),
            Sees::Rarely => Some(format!("{name}?")),
            Sees::No => None,
        };
        let words: Vec<String> = self.named().into_iter().filter_map(word).collect();
        if words.is_empty() { "-".to_owned() } else { words.join(", ") }
    }
}
