// SPDX-License-Identifier: GPL-2.0-only
//! Interrupt handlers: declared once, fired by turns of the schedule on top of the lane that runs.
//!
//! Unlike the ops `interrupt` and `interrupt-end`, which mark part of a task, a declared handler can start in the
//! middle of an op: at any scheduling point where interrupts are on.

use std::fmt;

use super::op::Op;
use super::rng::Rng;
use super::{Program, Turn};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Var, limits};

/// An interrupt handler of a program.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Handler {
    /// True for a hard interrupt, false for a soft one (softirq).
    pub hard: bool,
    /// Ops of each time it is fired, all of them.
    pub ops: Vec<Op>,
}

impl fmt::Display for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "handler {}", if self.hard { "hard" } else { "soft" })
    }
}

/// Most scheduling points that an op passes before its interrupt.
///
/// An op has about this many, so an interrupt planned for a later point would mostly not fire inside it.
const POINTS: u32 = 12;

/// Gives one program of six handlers, and turns that fire them: between ops, and in the middle of some.
pub(super) fn interrupts(rng: &mut Rng, program: &mut Program) {
    if program.nr_ops() == 0 || !rng.chance(1, 6) {
        return;
    }
    program.handlers = (0..rng.range(1, 2)).map(|_| handler(rng)).collect();
    let mut turns = std::mem::take(&mut program.schedule);
    if turns.is_empty() {
        // An empty schedule runs task after task; write that out, to have turns to put interrupts after.
        let ops = program.tasks.iter().enumerate();
        turns.extend(ops.flat_map(|(task, ops)| ops.iter().map(move |_| Turn::op(task))));
    }
    for _ in 0..rng.range(1, 12) {
        let at = rng.below(turns.len() as u32) as usize;
        if turns[at].lane < Turn::KSWAPD && !turns[at].preempts() && rng.chance(2, 3) {
            // The interrupted op goes on after the handler, to its end.
            // The turn is cut in two around the handler.
            let turn = turns[at];
            turns[at] = Turn::points(usize::from(turn.lane), rng.range(1, POINTS));
            turns.insert(at + 1, turn);
        }
        // After the turn: a handler fires on top of the lane that ran last.
        turns.insert(at + 1, Turn::handler(rng.below(program.handlers.len() as u32) as usize));
    }
    turns.truncate(limits::SCHEDULE);
    program.schedule = turns;
}

/// A handler of one to four ops.
///
/// It allocates and frees without sleeping, some of the variables shared with tasks.
fn handler(rng: &mut Rng) -> Handler {
    let mut ops = Vec::new();
    for _ in 0..rng.range(1, 4) {
        // Low numbers, which tasks use, spread like Fibonacci numbers; and some that are the handlers' own.
        let var = Var(rng.pick(&[0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 250, 251, 252, 253]));
        let gfp = rng.pick(&[Gfp::NOWAIT, Gfp::ATOMIC, Gfp::ATOMIC | Gfp::ACCOUNT, Gfp::ATOMIC | Gfp::NOWARN]);
        let size = 8 * rng.log_range(1, 512);
        ops.push(match rng.below(2) {
            0 => Op::Alloc { dst: var, size, align: 8, reserved: false, gfp },
            _ => Op::Free { var },
        });
    }
    Handler { hard: rng.chance(1, 2), ops }
}
