// SPDX-License-Identifier: GPL-2.0-only
//! What schedules a generated program: the program itself, or a strategy, whose choices then become its schedule.

use percuss_program::Program;
use percuss_program::rng::Rng;
use percuss_run::strategy::{Pct, Random, Strategy};

/// Keeps these numbers apart from those that the program of the same seed and index is drawn from. The value spells
/// "schedule".
const STREAM: u64 = 0x7363_6865_6475_6c65;

/// Scheduling points that an op passes, roughly: PCT spreads its changes of priority over the points that it expects.
const POINTS: u32 = 12;

/// The strategy that program `index` of a seed runs under. None for a program of a single lane, and for half of the
/// others, which keep the schedule that they were generated with. Three of four strategies are PCT (Burckhardt et al.,
/// "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", ASPLOS 2010), which finds bugs that need few
/// preemptions; the fourth is random, for those that need many.
pub fn strategy(seed: u64, index: u64, program: &Program) -> Option<Box<dyn Strategy>> {
    if program.tasks.len() < 2 && program.handlers.is_empty() {
        return None;
    }
    let mut rng = Rng::new(seed ^ STREAM, index);
    match rng.below(8) {
        0..3 => {
            // With too high an estimate some changes of priority come after the end; with too low a one, the end has
            // none.
            let points = (program.nr_ops() as u32).saturating_mul(POINTS);
            let depth = rng.range(1, 3);
            Some(Box::new(Pct::new(rng.bits(), depth, points)))
        }
        3 => Some(Box::new(Random::new(rng.bits()))),
        _ => None,
    }
}

/// How far a preemption is moved to get schedules near a recorded one: a change adds or removes a lock or two, and with
/// each a few scheduling points.
const REACH: u32 = 2;

/// Preemptions that are moved, the last ones of a program: a strategy leaves hundreds, and what shows last in a program is
/// near its end as a rule.
const MOVED: usize = 12;

/// Schedules of other kinds that are tried on top.
const OTHERS: u64 = 24;

/// The program with schedules near its own: first as it is, then with each preemption a little earlier or later.
pub fn near(program: &Program) -> Vec<Program> {
    let mut all = vec![program.clone()];
    for (at, turn) in program.schedule.iter().enumerate().rev().filter(|(_, turn)| turn.preempts()).take(MOVED) {
        let nearby = turn.points.saturating_sub(REACH).max(1)..=turn.points.saturating_add(REACH);
        for points in nearby.filter(|points| *points != turn.points) {
            let mut moved = program.clone();
            moved.schedule[at].points = points;
            all.push(moved);
        }
    }
    all
}

/// Strategies for schedules that are not near that of the program.
pub fn others(program: &Program) -> impl Iterator<Item = Box<dyn Strategy>> {
    let points = (program.nr_ops() as u32).saturating_mul(POINTS);
    (0..OTHERS).map(move |n| -> Box<dyn Strategy> {
        match n % 4 {
            3 => Box::new(Random::new(n)),
            depth => Box::new(Pct::new(n, depth as u32 + 1, points)),
        }
    })
}
