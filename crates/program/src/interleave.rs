// SPDX-License-Identifier: GPL-2.0-only
//! Preemptions of generated programs: what other tasks do in the middle of an op.

use super::rng::Rng;
use super::{Program, Turn};
use percuss_kernel::limits;

/// Scheduling points of an op, roughly.
///
/// A schedule of points is as long as this many for each op, so that it lasts to about the end of the program.
const POINTS: u32 = 12;

/// More points than any op has: the turn ends when its task waits or has ended.
const TO_THE_END: u32 = 1 << 20;

/// Gives three quarters of the programs with several tasks preemptions.
///
/// Half of these get a few, at random places of the order in which the ops were written. Most bugs need few ordering
/// constraints (Burckhardt et al., "A randomized scheduler with probabilistic guarantees of finding bugs", ASPLOS
/// 2010), and the result stays readable. The others get turns of a few points throughout.
pub(super) fn interleave(rng: &mut Rng, program: &mut Program) {
    let tasks = program.tasks.len();
    if tasks < 2 || program.nr_ops() == 0 {
        return;
    }
    match rng.below(8) {
        0..2 => {}
        2..5 => few(rng, program, tasks),
        _ => throughout(rng, program, tasks),
    }
}

/// Stops up to four ops in the middle, while another task runs for some points, some ops or to its end.
fn few(rng: &mut Rng, program: &mut Program, tasks: usize) {
    let mut turns = std::mem::take(&mut program.schedule);
    if turns.is_empty() {
        let ops = program.tasks.iter().enumerate();
        turns.extend(ops.flat_map(|(task, ops)| ops.iter().map(move |_| Turn::op(task))));
    }
    for _ in 0..rng.range(1, 4) {
        let at = rng.below(turns.len() as u32) as usize;
        let task = usize::from(turns[at].lane);
        // A second preemption in one place, or one of kswapd, would not be the kind this makes.
        if turns[at].preempts() || task >= tasks {
            continue;
        }
        turns[at] = Turn::points(task, rng.log_range(1, 32));
        // Any task but this one, all equally likely.
        let other = (task + 1 + rng.below(tasks as u32 - 1) as usize) % tasks;
        // Half of the time whole ops: most races need another op to complete while the first is stopped.
        let meanwhile = match rng.below(4) {
            0 => vec![Turn::points(other, rng.log_range(1, 32))],
            1 => vec![Turn::points(other, TO_THE_END)],
            _ => vec![Turn::op(other); rng.log_range(1, 8) as usize],
        };
        turns.splice(at + 1..at + 1, meanwhile);
    }
    turns.truncate(limits::SCHEDULE);
    program.schedule = turns;
}

/// Replaces the schedule by turns of random lanes for a few points each, until all ops have had theirs.
fn throughout(rng: &mut Rng, program: &mut Program, tasks: usize) {
    // One bound for the whole program: some are preempted at nearly every point, others seldom.
    let longest = rng.pick(&[4, 16, 64]);
    let kswapd = program.memory.is_some() && rng.chance(1, 2);
    let mut left = program.nr_ops() as u32 * POINTS;
    program.schedule.clear();
    while left > 0 && program.schedule.len() < limits::SCHEDULE {
        let lane = match rng.below(8) {
            // kswapd runs in one of eight turns, as it mostly sleeps.
            0 if kswapd => usize::from(Turn::KSWAPD),
            _ => rng.below(tasks as u32) as usize,
        };
        let points = rng.log_range(1, longest);
        program.schedule.push(Turn::points(lane, points));
        left = left.saturating_sub(points);
    }
}
