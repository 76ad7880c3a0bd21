// SPDX-License-Identifier: GPL-2.0-only
//! Replays given turns: a program's own schedule, or a recorded one. Both are the same, for a recorded schedule becomes
//! the program's when a finding is kept.

use super::Strategy;
use crate::turns::Ready;
use percuss_program::Turn;

#[derive(Debug, Clone)]
pub struct Replay<'t> {
    turns: std::slice::Iter<'t, Turn>,
    kswapd: bool,
}

impl<'t> Replay<'t> {
    /// These turns; once they are used up, the tasks left go on in order of their index.
    pub fn new(turns: &'t [Turn]) -> Replay<'t> {
        // A schedule that never names kswapd was written without it in mind.
        Replay { turns: turns.iter(), kswapd: turns.iter().any(|t| t.lane == Turn::KSWAPD) }
    }
}

impl Strategy for Replay<'_> {
    fn next(&mut self, _: Ready) -> Option<Turn> {
        self.turns.next().copied()
    }

    fn schedules_kswapd(&self) -> bool {
        self.kswapd && !self.turns.as_slice().is_empty()
    }
}
