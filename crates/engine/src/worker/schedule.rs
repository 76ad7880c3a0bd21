// SPDX-License-Identifier: GPL-2.0-only
//! Who schedules a generated program: the program itself, or a strategy, whose choices then are its schedule.

use std::io::Write;

use super::protocol::Reply;
use super::serve::say;
use percuss_program::rng::Rng;
use percuss_program::{Program, Turn};
use percuss_run::strategy::{Pct, Random, Strategy};
use percuss_run::{OpPosition, Ready};

/// Apart from the stream the program is drawn from.
const STREAM: u64 = 0x7363_6865_6475_6c65;

/// Scheduling points of an op, roughly.
const POINTS: u32 = 12;

/// The strategy that program `index` of a seed runs under: none for half of those with several tasks or handlers, which
/// keep their own schedule, and for all others. Three of four strategies are PCT.
pub fn strategy(seed: u64, index: u64, program: &Program) -> Option<Box<dyn Strategy>> {
    if program.tasks.len() < 2 && program.handlers.is_empty() {
        return None;
    }
    let mut rng = Rng::new(seed ^ STREAM, index);
    match rng.below(8) {
        0..3 => {
            let points = (program.nr_ops() as u32).saturating_mul(POINTS);
            let depth = rng.range(1, 3);
            Some(Box::new(Pct::new(rng.bits(), depth, points)))
        }
        3 => Some(Box::new(Random::new(rng.bits()))),
        _ => None,
    }
}

/// Tells of each turn before it is taken: should the turn end the process, whoever listens knows the schedule so far.
pub struct Told<'s, W> {
    pub strategy: &'s mut dyn Strategy,
    pub out: &'s mut W,
    /// The lane whose last turn goes on with the next one.
    open: Option<u8>,
}

impl<'s, W> Told<'s, W> {
    pub fn new(strategy: &'s mut dyn Strategy, out: &'s mut W) -> Told<'s, W> {
        Told { strategy, out, open: None }
    }
}

impl<W: Write> Strategy for Told<'_, W> {
    fn next(&mut self, ready: Ready) -> Option<Turn> {
        let turn = self.strategy.next(ready)?;
        // Who cannot be told will not miss it.
        let joins = turn.preempts() && self.open == Some(turn.lane);
        let _ = say(self.out, &Reply::Turn { lane: turn.lane, points: turn.points, joins });
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

/// Adds a turn that was told of, as it is recorded: a schedule has room for so many turns only.
pub fn took(turns: &mut Vec<Turn>, turn: Turn, joins: bool) {
    match turns.last_mut() {
        Some(last) if joins && last.lane == turn.lane => last.points = last.points.saturating_add(turn.points),
        _ => turns.push(turn),
    }
}

/// A program with the turns that it was told to have taken before its process ended.
pub fn with_turns(mut program: Program, turns: &[Turn]) -> Program {
    if turns.is_empty() {
        return program;
    }
    program.schedule = turns.to_vec();
    if program.memory.is_some() && !turns.iter().any(|t| t.lane == Turn::KSWAPD) {
        // Named, it waits for its turn, as it did under the strategy.
        program.schedule.push(Turn::op(usize::from(Turn::KSWAPD)));
    }
    program.repair();
    program
}

/// Makes a program small. Points of several ops say less than the ops do, move with each op that goes, and hide that a
/// task could stop between two of them: so the schedule is said by op, at first and whenever it is small, as long as that
/// makes the program smaller. `with` is handed to who says by op, and to who makes smaller with at most so many tries.
pub fn small<W>(
    with: &mut W,
    program: Program,
    tries: u32,
    mut by_op: impl FnMut(&mut W, &Program) -> Option<Program>,
    mut shrink: impl FnMut(&mut W, Program, u32) -> (Program, u32),
) -> (Program, u32) {
    let size = |p: &Program| (p.preemptions(), p.nr_ops(), p.schedule.len());
    let mut next = by_op(with, &program).unwrap_or(program);
    let (mut best, mut tried): (Option<Program>, u32) = (None, 0);
    loop {
        let (small, more) = shrink(with, next, tries - tried);
        tried += more;
        if let Some(best) = best.take_if(|best| size(best) <= size(&small)) {
            return (best, tried);
        }
        match by_op(with, &small).filter(|by_op| tried < tries && *by_op != small) {
            Some(by_op) => next = by_op,
            None => return (small, tried),
        }
        best = Some(small);
    }
}
