// SPDX-License-Identifier: GPL-2.0-only
//! The detection benchmark: which seeded bugs are found, by which oracle, and how soon.
//!
//! A bug is put into a tree, or into the variant it is a bug of, and generated programs are run until an oracle objects
//! to one of them that is judged otherwise without the bug. Nothing here knows what a bug does: what counts is any
//! finding that the tree without it does not show in the same program.

mod bench;
mod rows;
mod search;

use std::time::Duration;

use serde::Serialize;

pub use bench::{Bench, Plan, run, select};
pub use rows::{Apart, uncounted};
pub use search::Hit;

use crate::image::ImageError;
use percuss_oracle::OracleKind;
use percuss_source::edit::Edit;

/// Why there is no benchmark.
#[derive(Debug, thiserror::Error)]
pub enum DetectionError {
    /// The name is none of a seeded bug.
    #[error("`{name}` is no seeded bug; there are {known}")]
    Unknown { name: String, known: String },
    /// The tree, or a variant that bugs are put into, cannot be built.
    #[error("{of}: {source}")]
    Image { of: String, source: Box<ImageError> },
    /// The tree without a bug cannot be run.
    #[error(transparent)]
    Worker(#[from] crate::worker::Lost),
}

/// What became of a counted bug.
#[derive(Debug, Clone)]
pub struct Row {
    pub bug: Edit,
    pub outcome: Outcome,
}

/// What was seen of a bug.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It was searched for, once with each seed.
    Searched(Searched),
    /// There is no image with it.
    NotBuilt(String),
    /// It has no place in this tree, for this reason.
    OtherTree(String),
    /// The tree has it by itself: a known bug of `check`, and none that can be put in.
    AlreadySo,
}

/// Searches for one bug.
#[derive(Debug, Clone, Default)]
pub struct Searched {
    /// One for each seed, in their order: what was found within the limit.
    pub hits: Vec<Option<Hit>>,
    /// The program of the first of them, made small.
    pub small: Option<Small>,
}

/// How small a program that shows a bug can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Small {
    pub ops: usize,
    pub tasks: usize,
    /// Preemptions of its schedule: turns that end in the middle of an op.
    pub preemptions: usize,
}

impl Searched {
    pub fn count(&self) -> usize {
        self.hits.iter().flatten().count()
    }

    /// Found with more than half of the seeds. One lucky seed says little about the next campaign, and with more than
    /// half the median exists.
    pub fn found(&self) -> bool {
        2 * self.count() > self.hits.len()
    }

    /// Programs up to the one that shows it, the median.
    pub fn programs(&self) -> Option<u64> {
        median(self.hits.iter().map(|h| h.as_ref().map(|h| h.programs)))
    }

    /// Seconds of search, the median.
    pub fn seconds(&self) -> Option<f64> {
        // As whole numbers, which unlike fractions of seconds can be sorted.
        let micros = |h: &Hit| h.after.as_micros() as u64;
        let median = median(self.hits.iter().map(|h| h.as_ref().map(micros)));
        median.map(|us| Duration::from_micros(us).as_secs_f64())
    }

    /// Oracles that objected to the first program, with any seed.
    pub fn oracles(&self) -> Vec<OracleKind> {
        let mut all: Vec<OracleKind> = self.hits.iter().flatten().flat_map(|h| h.oracles.iter().copied()).collect();
        all.sort();
        all.dedup();
        all
    }
}

/// The median of some numbers, where one that is missing is larger than all others. Leaving the missing ones out would
/// make a bug that is seldom found look as if it were found soon. Of an even number, the lower of the two
/// in the middle.
fn median(numbers: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    let mut all: Vec<u64> = numbers.map(|n| n.unwrap_or(u64::MAX)).collect();
    all.sort_unstable();
    // The number in the middle may be a missing one: then most seeds did not find the bug, and there is no median.
    all.get(all.len().saturating_sub(1) / 2).copied().filter(|n| *n < u64::MAX)
}

/// Counts of a benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub counted: usize,
    /// Of these, found.
    pub found: usize,
    /// Bugs of which there is no image.
    pub not_built: usize,
    /// Of the counted, those that one of the kernel's own checkers could see, now and then at least.
    pub kernel: usize,
}

impl Summary {
    pub fn of(rows: &[Row]) -> Summary {
        let mut s = Summary { counted: 0, found: 0, not_built: 0, kernel: 0 };
        for row in rows {
            match &row.outcome {
                Outcome::Searched(searched) => {
                    // A bug without an image says nothing about the oracles, so only searched ones are counted.
                    s.counted += 1;
                    s.found += searched.found() as usize;
                    // `-` is how the files write that no checker sees the bug.
                    s.kernel += row.bug.kernel.as_ref().is_some_and(|k| k.words() != "-") as usize;
                }
                Outcome::NotBuilt(_) => s.not_built += 1,
                Outcome::OtherTree(_) | Outcome::AlreadySo => {}
            }
        }
        s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn searched(programs: &[Option<u64>]) -> Searched {
        let hit = |n: u64| Hit { programs: n, after: Duration::from_millis(n), ..Hit::default() };
        Searched { hits: programs.iter().map(|n| n.map(hit)).collect(), small: None }
    }

    #[test]
    fn what_is_not_found_is_larger_than_everything() {
        let of = |programs: &[Option<u64>]| {
            let s = searched(programs);
            (s.found(), s.programs())
        };
        assert_eq!(of(&[Some(9), None, Some(3)]), (true, Some(9)));
        assert_eq!(of(&[None, Some(3), None]), (false, None));
        assert_eq!(of(&[Some(3), None]), (false, Some(3)));
        assert_eq!(of(&[Some(8), Some(4), Some(2), Some(6)]), (true, Some(4)));
        assert_eq!(of(&[]), (false, None));
        assert_eq!(searched(&[Some(1500)]).seconds(), Some(1.5));
    }
}
