// SPDX-License-Identifier: GPL-2.0-only
//! Any lane, for any few points.

use super::Strategy;
use crate::program::Turn;
use crate::program::rng::Rng;
use crate::run::turns::Ready;

/// Chooses evenly among those that can run, for 1 to 32 points, short turns more often.
#[derive(Debug, Clone)]
pub struct Random {
    rng: Rng,
}

impl Random {
    /// The choices of a seed.
    pub fn new(seed: u64) -> Random {
        Random { rng: Rng::new(seed, 0) }
    }
}

impl Strategy for Random {
    fn next(&mut self, ready: Ready) -> Option<Turn> {
        let n = self.rng.below(ready.lanes().count() as u32) as usize;
        let lane = ready.lanes().nth(n)?;
        Some(Turn::points(lane, self.rng.log_range(1, 32)))
    }
}
