// SPDX-License-Identifier: GPL-2.0-only
//! What the kernel's own checkers could see of a bug: reasoned, not measured.
//!
//! The table of the detection benchmark has it beside what percuss finds, to show where a differential test adds to
//! them. An entry is an upper bound in the checkers' favour: the code must run in the right state for any of them.

use serde::{Deserialize, Serialize};

/// Whether each checker could see a bug, and why. These are the `kernel` tables of the files in `bugs/seeded`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Checkers {
    /// Accesses to memory that is not there or not the accessor's.
    pub kasan: Sees,
    /// Lock order, interrupt states, wait contexts, and sleeping where nothing may.
    pub lockdep: Sees,
    /// Data races: plain accesses to one place from two CPUs without a common lock.
    pub kcsan: Sees,
    /// The module test of lib/test_vmalloc.c.
    pub pcpu_alloc_test: Sees,
    /// The reason for the four, on one line.
    pub why: String,
}

/// Whether a checker could see a bug, if a test exercises the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sees {
    /// Whenever the faulty code runs.
    Yes,
    /// When something comes along that the checker cannot bring about, such as a failed allocation or a certain race.
    Rarely,
    /// Never, since the checker does not look at what goes wrong.
    No,
}

impl Checkers {
    pub fn named(&self) -> [(&'static str, Sees); 4] {
        [
            ("KASAN", self.kasan),
            ("lockdep", self.lockdep),
            ("KCSAN", self.kcsan),
            ("pcpu_alloc_test", self.pcpu_alloc_test),
        ]
    }

    /// The names of those that could see it, with a question mark after one that needs luck; a dash for none. This is a
    /// cell of a table.
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
