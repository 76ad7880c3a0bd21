// SPDX-License-Identifier: GPL-2.0-only
//! Replays given turns: a program's own schedule, or a recorded one.

use super::Strategy;
use crate::turns::Ready;
use percuss_program::Turn;

/// Takes turns in order.
#[derive(Debug, Clone)]
pub struct Replay<'t> {
    turns: std::slice::Iter<'t, Turn>,
    kswapd: bool,
}

impl<'t> Replay<'t> {
    /// These turns; once they are used up, the tasks left go on in order of their index.
    pub fn new(turns: &'t [Turn]) -> Replay<'t> {
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
