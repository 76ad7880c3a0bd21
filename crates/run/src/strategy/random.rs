// SPDX-License-Identifier: GPL-2.0-only
//! Any lane, for any few points, and now and then an interrupt. Unlike PCT it preempts often, so that a lane is seldom
//! far ahead of the others.

use super::Strategy;
use crate::turns::Ready;
use percuss_program::Turn;
use percuss_program::rng::Rng;

/// One turn in as many as this is an interrupt, where one can start.
const INTERRUPTS: u32 = 4;

/// The most interrupts of a run. Each makes waiting tasks try again, so with more of them a task that retries for
/// memory would never be given up.
const MOST: u32 = 64;

/// Chooses evenly among those that can run, for 1 to 32 points, short turns more often.
#[derive(Debug, Clone)]
pub struct Random {
    rng: Rng,
    fired: u32,
}

impl Random {
    pub fn new(seed: u64) -> Random {
        Random { rng: Rng::new(seed, 0), fired: 0 }
    }
}

impl Strategy for Random {
    fn next(&mut self, ready: Ready) -> Option<Turn> {
        let handlers = ready.handlers().count() as u32;
        if handlers > 0 && self.fired < MOST && self.rng.chance(1, INTERRUPTS) {
            self.fired += 1;
            return ready.handlers().nth(self.rng.below(handlers) as usize).map(Turn::handler);
        }
        let n = self.rng.below(ready.lanes().count() as u32) as usize;
        let lane = ready.lanes().nth(n)?;
        Some(Turn::points(lane, self.rng.log_range(1, 32)))
    }
}
