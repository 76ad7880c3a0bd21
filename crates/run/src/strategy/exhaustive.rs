// SPDX-License-Identifier: GPL-2.0-only
//! All schedules of a program with a bounded number of preemptions, one run after the other.
//!
//! Runs are deterministic, so repeating the choices of the last run up to a branch comes to the same point, and nothing
//! of the state has to be kept. For tests of a few ops: the number of runs is exponential in the preemptions.

use super::Strategy;
use crate::turns::Ready;
use percuss_program::Turn;

/// Where a run could have gone on otherwise.
#[derive(Debug, Clone, Copy)]
struct Branch {
    /// Lanes not tried yet, as a mask.
    untried: u32,
    lane: usize,
    /// Taking another lane than `lane` preempts one that could go on.
    preempts: bool,
}

/// Walks the tree of schedules depth first. Each run takes the first branch not taken yet; at a point where the running
/// lane could go on, another one costs a preemption, where it could not, all lanes are tried for free.
#[derive(Debug, Clone)]
pub struct Exhaustive {
    /// Preemptions that a run may have at most.
    most: u32,
    path: Vec<Branch>,
    /// Index in the path of this run's next choice.
    at: usize,
    preemptions: u32,
    runs: u64,
}

impl Exhaustive {
    /// All schedules with at most as many preemptions. Most concurrency bugs need one or two, and the number of
    /// schedules grows with a power of the points for each.
    pub fn new(preemptions: u32) -> Exhaustive {
        Exhaustive { most: preemptions, path: Vec::new(), at: 0, preemptions: 0, runs: 0 }
    }

    /// Prepares the next run; false when there is none left.
    pub fn next_run(&mut self) -> bool {
        // A run may have ended before the branches of the last one; those belong to no schedule any more.
        if self.runs > 0 {
            self.path.truncate(self.at);
            while self.path.last().is_some_and(|b| b.untried == 0) {
                self.path.pop();
            }
            let Some(last) = self.path.last_mut() else { return false };
            last.lane = last.untried.trailing_zeros() as usize;
            last.untried &= last.untried - 1;
        }
        self.runs += 1;
        self.at = 0;
        self.preemptions = 0;
        true
    }

    pub fn runs(&self) -> u64 {
        self.runs
    }
}

impl Strategy for Exhaustive {
    fn next(&mut self, ready: Ready) -> Option<Turn> {
        // The running lane goes on where it can, so the first run is the one without preemptions.
        let first = ready.goes_on().or(ready.lanes().next())?;
        if self.at == self.path.len() {
            let preempts = ready.goes_on().is_some();
            let others = ready.lanes().filter(|lane| *lane != first).fold(0, |mask, lane| mask | 1 << lane);
            // With its preemptions used up, the run goes on to the end without another.
            let untried = if preempts && self.preemptions == self.most { 0 } else { others };
            self.path.push(Branch { untried, lane: first, preempts });
        }
        let taken = self.path[self.at];
        self.at += 1;
        if taken.preempts && taken.lane != first {
            self.preemptions += 1;
        }
        Some(Turn::points(taken.lane, 1))
    }
}
