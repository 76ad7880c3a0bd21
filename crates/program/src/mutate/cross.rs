// SPDX-License-Identifier: GPL-2.0-only
//! Crossover: makes one program of two.

use super::super::rng::Rng;
use super::super::{Program, Turn};
use super::fitting;
use percuss_kernel::limits;

/// Writes a program made of two to `out` and returns its length in bytes; `repair` makes it one that the target runs.
pub fn crossover(
    [mut program, other]: [Program; 2],
    out: &mut [u8],
    seed: u32,
    repair: impl Fn(&mut Program),
) -> usize {
    // The seed of a fuzzer alone repeats; with the sizes of both, equal seeds differ between pairs.
    let mut rng = Rng::new(seed.into(), (program.nr_ops() + other.nr_ops()) as u64);
    match rng.below(8) {
        // The machine or the circumstances of one, what is done of the other.
        0 => program.boot = other.boot,
        1 => (program.memory, program.shrinkers) = (other.memory, other.shrinkers),
        2 => program.faults = other.faults,
        3 => tasks_beside(&mut program, other),
        4 | 5 => tails(&mut program, other, &mut rng),
        _ => middle(&mut program, other, &mut rng),
    }
    let bytes = fitting(program, out.len(), repair);
    out[..bytes.len()].copy_from_slice(&bytes);
    bytes.len()
}

/// Joins the tasks of both, side by side.
///
/// They then share variables, which each alone did not have.
fn tasks_beside(program: &mut Program, other: Program) {
    let first = program.tasks.len() as u8;
    program.tasks.extend(other.tasks);
    program.tasks.truncate(limits::TASKS);
    // One turn of each, as far as both have a schedule. The lanes of turns that fire handlers move too; repair takes
    // them modulo the handlers there are.
    let theirs = other.schedule.into_iter().map(|mut turn| {
        if turn.lane != Turn::KSWAPD {
            turn.lane += first;
        }
        turn
    });
    let mut mine = std::mem::take(&mut program.schedule).into_iter();
    for turn in theirs {
        program.schedule.extend(mine.next());
        program.schedule.push(turn);
    }
    program.schedule.extend(mine);
}

/// Lets each task begin as in one program and end as in the other.
fn tails(program: &mut Program, other: Program, rng: &mut Rng) {
    // Tasks that only one has are kept or left out as the first program has it.
    for (mine, theirs) in program.tasks.iter_mut().zip(other.tasks) {
        mine.truncate(rng.below(mine.len() as u32 + 1) as usize);
        mine.extend_from_slice(&theirs[rng.below(theirs.len() as u32 + 1) as usize..]);
    }
}

/// Inserts a run of ops of one program into a task of the other.
fn middle(program: &mut Program, other: Program, rng: &mut Rng) {
    let theirs = &other.tasks[rng.below(other.tasks.len() as u32) as usize];
    if theirs.is_empty() {
        return;
    }
    let from = rng.below(theirs.len() as u32);
    let run = rng.log_range(1, theirs.len() as u32 - from) as usize;
    let mine = rng.below(program.tasks.len() as u32) as usize;
    let piece = theirs[from as usize..from as usize + run].to_vec();
    super::ops::put(&mut program.tasks[mine], piece, rng);
}
