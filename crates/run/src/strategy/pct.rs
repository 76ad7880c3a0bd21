// SPDX-License-Identifier: GPL-2.0-only
//! Probabilistic concurrency testing: the lane of highest priority runs, and at a few points of the run, chosen before,
//! the running lane becomes the lowest. A bug that needs `d` such changes in a run of `n` points on `k` lanes shows in
//! at least one of `k * n^d` runs. Interrupts come at points that were chosen before, too, or at the next at which one
//! can.

use super::Strategy;
use crate::turns::Ready;
use percuss_kernel::limits;
use percuss_program::Turn;
use percuss_program::rng::Rng;

const LANES: usize = limits::TASKS + 1;

/// Interrupts of a run, at most. They come on top of the changes of priority, and a few are enough: with more of them,
/// few runs would test what happens without any.
const INTERRUPTS: u32 = 6;

#[derive(Debug, Clone)]
pub struct Pct {
    /// Priority by lane: the highest runs.
    priority: [u32; LANES],
    /// Points at which priorities change, the next one last.
    changes: Vec<u64>,
    /// Points at which a handler is fired, and which of those that can start; the next one last.
    interrupts: Vec<(u64, u32)>,
    /// Points of all turns so far.
    passed: u64,
    /// What the next lane that is lowered gets: below all others, and below those lowered before.
    lowest: u32,
}

impl Pct {
    /// Random priorities, `depth` changes and a few interrupts among the first `points` points of a run. `points`
    /// should be as many as the run will have: changes after its end do nothing.
    pub fn new(seed: u64, depth: u32, points: u32) -> Pct {
        let mut rng = Rng::new(seed, 1);
        let mut priority: [u32; LANES] = std::array::from_fn(|i| depth + 1 + i as u32);
        // A random permutation, each with the same probability.
        for i in (1..LANES).rev() {
            priority.swap(i, rng.below(i as u32 + 1) as usize);
        }
        let mut changes: Vec<u64> = (0..depth).map(|_| u64::from(rng.range(1, points.max(1)))).collect();
        // From the last to the first, so that the next one is taken off the end.
        changes.sort_unstable_by_key(|at| std::cmp::Reverse(*at));
        let interrupt = |rng: &mut Rng| (u64::from(rng.range(1, points.max(1))), rng.bits() as u32);
        let mut interrupts: Vec<(u64, u32)> = (0..rng.range(1, INTERRUPTS)).map(|_| interrupt(&mut rng)).collect();
        interrupts.sort_unstable_by_key(|(at, _)| std::cmp::Reverse(*at));
        Pct { priority, changes, interrupts, passed: 0, lowest: depth }
    }

    /// The next point at which an interrupt is due, or looked for a place again.
    fn interrupt_after(&self) -> u64 {
        self.interrupts.last().map_or(u64::MAX, |(at, _)| (*at).max(self.passed + 1))
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
        let handlers = ready.handlers().count();
        let due = self.interrupts.last().copied().filter(|(at, _)| *at <= self.passed);
        if let Some((_, which)) = due.filter(|_| handlers > 0) {
            self.interrupts.pop();
            // Which handlers can start depends on the point, so one is chosen only here.
            return ready.handlers().nth(which as usize % handlers).map(Turn::handler);
        }
        self.change(ready.last());
        let lane = ready.lanes().max_by_key(|lane| self.priority[*lane])?;
        // A release may wake a lane of higher priority, so while a lane waits each point is looked at.
        let points = match self.changes.last().copied().unwrap_or(u64::MAX).min(self.interrupt_after()) {
            _ if ready.a_lane_waits() => 1,
            at => (at - self.passed).min(64) as u32,
        };
        self.passed += u64::from(points);
        Some(Turn::points(lane, points))
    }
}
