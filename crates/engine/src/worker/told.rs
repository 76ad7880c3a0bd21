// SPDX-License-Identifier: GPL-2.0-only
//! The schedule of a program that ends its process: the worker sends each turn before it is taken, and percuss puts the
//! turns that it heard of back together.

use super::protocol::ChosenTurn;
use percuss_program::{Program, Turn};
use percuss_run::strategy::Strategy;
use percuss_run::{OpPosition, Ready};

/// A strategy whose turns are sent before they are taken. If the turn ends the process, the reader knows the schedule up
/// to and with it.
pub struct Told<'s> {
    strategy: &'s mut dyn Strategy,
    send: &'s mut dyn FnMut(ChosenTurn),
    /// The lane whose last turn stopped within an op, which the next turn of that lane goes on with.
    open: Option<u8>,
}

impl<'s> Told<'s> {
    pub fn new(strategy: &'s mut dyn Strategy, send: &'s mut dyn FnMut(ChosenTurn)) -> Told<'s> {
        Told { strategy, send, open: None }
    }
}

impl Strategy for Told<'_> {
    fn next(&mut self, ready: Ready) -> Option<Turn> {
        let turn = self.strategy.next(ready)?;
        // The reader of the turns cannot see whether the lane stopped in the middle of an op, so this is sent along.
        let joins = turn.preempts() && self.open == Some(turn.lane);
        (self.send)(ChosenTurn { lane: turn.lane, points: turn.points, joins });
        Some(turn)
    }

    fn schedules_kswapd(&self) -> bool {
        self.strategy.schedules_kswapd()
    }

    fn went(&mut self, lane: usize, place: OpPosition, open: bool) {
        self.open = open.then_some(lane as u8);
        self.strategy.went(lane, place, open);
    }
}

/// Adds a turn as the recorder of a whole run does, which joins turns that stop within the same op: a schedule has room
/// for a limited number of turns.
pub fn took(turns: &mut Vec<Turn>, chosen: ChosenTurn) {
    match turns.last_mut() {
        Some(last) if chosen.joins && last.lane == chosen.lane => {
            last.points = last.points.saturating_add(chosen.points);
        }
        _ => turns.push(Turn { lane: chosen.lane, points: chosen.points }),
    }
}

/// A program with the turns that were chosen before its process ended; its own schedule if no strategy chose any.
pub fn with_turns(mut program: Program, turns: &[Turn]) -> Program {
    if turns.is_empty() {
        return program;
    }
    // What the generator scheduled was not used under a strategy.
    program.schedule = turns.to_vec();
    if program.memory.is_some() && !turns.iter().any(|t| t.lane == Turn::KSWAPD) {
        // A schedule that names kswapd makes it wait for its turn, as it did under the strategy.
        program.schedule.push(Turn::op(usize::from(Turn::KSWAPD)));
    }
    program.repair();
    program
}
