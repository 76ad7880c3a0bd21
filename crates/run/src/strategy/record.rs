// SPDX-License-Identifier: GPL-2.0-only
//! Records turns as they were taken, not as they were asked for: a replay needs no rule for lanes that cannot run.

use percuss_kernel::limits;
use percuss_program::Turn;

/// Records turns. Consecutive ones of a lane become one, so that a schedule stays short enough for a program.
#[derive(Debug, Default)]
pub struct Recorder {
    turns: Vec<Turn>,
    /// The last turn ended at a scheduling point, so that its lane may go on in it.
    open: bool,
}

impl Recorder {
    pub fn clear(&mut self) {
        self.turns.clear();
        self.open = false;
    }

    pub fn is_full(&self) -> bool {
        self.turns.len() >= limits::SCHEDULE
    }

    /// The last turn ended at a scheduling point in its op, so that one of the same lane goes on with it.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Notes a turn. `preempted`: it ended where its points did or its op, so that the lane could go on.
    pub fn took(&mut self, turn: Turn, preempted: bool) {
        // Turns to the end of an op are never added up: they count no points.
        let goes_on = self.open && turn.preempts();
        match self.turns.last_mut() {
            Some(last) if goes_on && last.lane == turn.lane => last.points = last.points.saturating_add(turn.points),
            _ => self.turns.push(turn),
        }
        self.open = preempted && turn.preempts();
    }

    /// Notes that a lane still waited for its first turn at the end. A schedule that does not name kswapd lets it run
    /// as soon as it is awake, so it has to be named even if it never ran.
    pub fn waiting(&mut self, turn: Turn) {
        if !self.is_full() && !self.turns.iter().any(|t| t.lane == turn.lane) {
            self.turns.push(turn);
        }
    }

    pub fn turns(&self) -> &[Turn] {
        &self.turns
    }
}
