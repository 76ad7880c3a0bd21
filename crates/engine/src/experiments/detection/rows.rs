// SPDX-License-Identifier: GPL-2.0-only
//! Known bugs that are not counted, each with its reason.

use super::{Edit, Outcome, Row};

/// A known bug that is not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Apart {
    pub name: &'static str,
    /// Kind of reason: `live`, `race`, `percpu-km`, `statistics` or `schedule`.
    pub kind: &'static str,
    /// What it is, and why it is not counted.
    pub why: &'static str,
}

const fn apart(name: &'static str, kind: &'static str, why: &'static str) -> Apart {
    Apart { name, kind, why }
}

/// All of them. One that has become an edit of `bugs/seeded/` is counted there and falls out by itself.
const APART: [Apart; 12] = [
    apart("B14", "race", "pcpu_nr_empty_pop_pages read without the lock: one load, a matter for ThreadSanitizer"),
    apart("B15", "live", "the limit of warnings is counted down without a lock: in 6.12, a known finding of `check`"),
    apart("B19", "percpu-km", "too many pages marked as populated: percpu-km.c is not compiled"),
    apart("B24", "live", "the chunk's contig hint is not raised by a free: in the trees, a known finding of `check`"),
    apart("B25", "live", "equal scan and contig hints the wrong way round: in the trees, a known finding of `check`"),
    apart("B26", "live", "starts of unset hints are compared: in the trees, a quirk that `tree` shows"),
    apart("B29", "statistics", "where the walk for a chunk's statistics starts: percpu-stats.c is not compiled"),
    apart("B37", "percpu-km", "the chunk's address stays in freed pages: percpu-km.c is not compiled"),
    apart("B38", "schedule", "a chunk is destroyed while another task extends its map: takes a second task"),
    apart("B39", "percpu-km", "percpu-km with memory management: a matter of Kconfig"),
    apart("B50", "live", "the free area at a block's right edge is lost: in the trees, a known finding of `check`"),
    apart(
        "B51",
        "live",
        "what lies before a promoted scan hint is forgotten: in the trees, a known finding of `check`",
    ),
];

/// Those that no edit stands for.
pub fn uncounted(bugs: &[Edit]) -> Vec<Apart> {
    // By name: an edit that is added takes its row away without a change here.
    let counted = |a: &Apart| bugs.iter().any(|bug| bug.name.eq_ignore_ascii_case(a.name));
    APART.into_iter().filter(|a| !counted(a)).collect()
}

impl Row {
    pub fn searched(&self) -> Option<&super::Searched> {
        match &self.outcome {
            Outcome::Searched(s) => Some(s),
            _ => None,
        }
    }
}
