// SPDX-License-Identifier: GPL-2.0-only
//! Probabilistic concurrency testing: the lane of highest priority runs, and at a few points of the run, chosen
//! before, whoever runs becomes the lowest. A bug that needs `d` such changes in a run of `n` points on `k` lanes shows
//! in at least one of `k * n^d` runs.

use super::Strategy;
use crate::program::rng::Rng;
use crate::program::{Turn, limits};
use crate::run::turns::Ready;

const LANES: usize = limits::TASKS + 1;

/// Runs by priority.
#[derive(Debug, Clone)]
pub struct Pct {
    /// Priority by lane: the highest runs.
    priority: [u32; LANES],
    /// Points at which priorities change, the next one last.
    changes: Vec<u64>,
    /// Points of all turns so far.
    passed: u64,
    /// The next lowest priority.
    lowest: u32,
}

impl Pct {
    /// Random priorities, and `depth` changes among the first `points` points of a run.
    pub fn new(seed: u64, depth: u32, points: u32) -> Pct {
        let mut rng = Rng::new(seed, 1);
        let mut priority: [u32; LANES] = std::array::from_fn(|i| depth + 1 + i as u32);
        for i in (1..LANES).rev() {
            priority.swap(i, rng.below(i as u32 + 1) as usize);
        }
        let mut changes: Vec<u64> = (0..depth).map(|_| u64::from(rng.range(1, points.max(1)))).collect();
        changes.sort_unstable_by_key(|at| std::cmp::Reverse(*at));
        Pct { priority, changes, passed: 0, lowest: depth }
    }

    fn change(&mut self, lane: Option<usize>) {
        while self.changes.last().is_some_and(|at| *at <= self.passed) {
            self.changes.pop();
            if let Some(lane) = lane {
                self.priority[lane] = self.lowest;
                self.lowest = self.lowest.saturating_sub(1);
            }
        }
    }
}

impl Strategy for Pct {
    fn next(&mut self, ready: Ready) -> Option<Turn> {
        self.change(ready.last());
        let lane = ready.lanes().max_by_key(|lane| self.priority[*lane])?;
        // A release may wake a lane of higher priority, so while somebody waits each point is looked at.
        let points = match self.changes.last() {
            _ if ready.somebody_waits() => 1,
            Some(at) => (at - self.passed).min(64) as u32,
            None => 64,
        };
        self.passed += u64::from(points);
        Some(Turn::points(lane, points))
    }
}
