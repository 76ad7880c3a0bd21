// SPDX-License-Identifier: GPL-2.0-only
//! Mutations of programs, for fuzzers.
//!
//! They work on ops, faults, schedules and machines, so that a mutated program is a program again and not noise. What
//! mutations of bytes do well (half an operand, a shifted record) is left to the fuzzer's own, which get their share.
//!
//! Everything is decided by the seed and the input, so that a fuzzing run can be repeated.

mod cross;
mod ops;
mod rest;
#[cfg(test)]
mod tests;

pub use cross::crossover;

use super::Program;
use super::bytes::RECORD_HEADER;
use super::rng::Rng;

/// What the mutations of a fuzz target are mostly about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Focus {
    #[default]
    Ops,
    /// The machine and its first chunk, for targets that test boot.
    Machine,
    /// Memory, shrinkers, and masks: what decides whether an allocation may reclaim.
    Pressure,
    /// Which task runs when, for targets that look for races.
    Schedule,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutation {
    Insert,
    Delete,
    /// Repeats a run of ops right after itself, which fills chunks.
    Duplicate,
    /// Copies or moves a run of ops to another place, of another task too.
    Splice,
    /// Gives an allocation a size at a limit, or another alignment.
    Resize,
    Remask,
    Rename,
    Fault,
    /// Changes which task runs when, or splits a task in two.
    Schedule,
    Pressure,
    Machine,
}

/// A kind of mutation with its share of all, and its share when a target is about it.
type Share = (Mutation, u32, Option<(Focus, u32)>);

/// All kinds with their shares.
///
/// Adding is drawn more often than removing, as inputs would otherwise shrink; a target's own kind makes up about half
/// of its mutations.
const MUTATIONS: [Share; 11] = [
    (Mutation::Insert, 22, None),
    (Mutation::Delete, 16, None),
    (Mutation::Duplicate, 8, None),
    (Mutation::Splice, 10, None),
    (Mutation::Resize, 12, None),
    (Mutation::Remask, 8, Some((Focus::Pressure, 20))),
    (Mutation::Rename, 8, None),
    (Mutation::Fault, 5, None),
    (Mutation::Schedule, 5, Some((Focus::Schedule, 80))),
    (Mutation::Pressure, 2, Some((Focus::Pressure, 40))),
    (Mutation::Machine, 3, Some((Focus::Machine, 120))),
];

/// One call in this many leaves the bytes to the fuzzer's own mutations.
const PLAIN: u32 = 8;

/// Most mutations of one call.
///
/// Single ones get stuck where only two changes together reach new code; more than a few lose what made the input
/// interesting.
const STACKED: u32 = 4;

/// Mutates the program in the first `size` bytes of `data`, within `max` bytes, and returns the number of bytes it then
/// has.
///
/// `plain` mutates bytes and has the arguments and result of `LLVMFuzzerMutate()`; `repair` makes a program one that
/// the target runs.
pub fn mutate(
    (data, size, max): (&mut [u8], usize, usize),
    seed: u32,
    focus: Focus,
    repair: impl Fn(&mut Program),
    plain: impl FnOnce(&mut [u8], usize, usize) -> usize,
) -> usize {
    let mut rng = Rng::new(seed.into(), size as u64);
    // A fuzzer's numbers are not trusted with the length of the slice.
    let (size, max) = (size.min(data.len()), max.min(data.len()));
    // Without room for a record there is no op to mutate.
    if max < RECORD_HEADER || rng.chance(1, PLAIN) {
        return plain(data, size, max).min(max);
    }
    mutate_program(Program::decode(&data[..size]), (data, max), seed, focus, repair)
}

/// Writes a mutation of `program` to `data`, at most `max` bytes, and returns their number.
pub fn mutate_program(
    mut program: Program,
    (data, max): (&mut [u8], usize),
    seed: u32,
    focus: Focus,
    repair: impl Fn(&mut Program),
) -> usize {
    let mut rng = Rng::new(seed.into(), program.nr_ops() as u64);
    // Repaired once at the end: a mutation may break what the next one mends.
    for _ in 0..rng.range(1, STACKED) {
        let kind = draw(&mut rng, focus);
        apply(&mut program, kind, &mut rng);
    }
    let bytes = fitting(program, max.min(data.len()), repair);
    data[..bytes.len()].copy_from_slice(&bytes);
    bytes.len()
}

/// Draws a kind by its share under the focus.
fn draw(rng: &mut Rng, focus: Focus) -> Mutation {
    let share = |(_, share, there): &Share| match there {
        Some((wanted, share)) if *wanted == focus => *share,
        _ => *share,
    };
    MUTATIONS[rng.weighted(MUTATIONS.iter().map(share))].0
}

/// Applies one mutation.
///
/// The program may break rules afterwards; [`fitting`] repairs it.
fn apply(program: &mut Program, kind: Mutation, rng: &mut Rng) {
    match kind {
        Mutation::Insert => ops::insert(program, rng),
        Mutation::Delete => ops::delete(program, rng),
        Mutation::Duplicate => ops::duplicate(program, rng),
        Mutation::Splice => ops::splice(program, rng),
        Mutation::Resize => ops::resize(program, rng),
        Mutation::Remask => ops::remask(program, rng),
        Mutation::Rename => ops::rename(program, rng),
        Mutation::Fault => rest::fault(program, rng),
        Mutation::Schedule => rest::schedule(program, rng),
        Mutation::Pressure => rest::pressure(program, rng),
        Mutation::Machine => rest::machine(program, rng),
    }
}

/// The byte form of the program, repaired and cut until it has at most `max` bytes.
fn fitting(mut program: Program, max: usize, repair: impl Fn(&mut Program)) -> Vec<u8> {
    repair(&mut program);
    let mut bytes = program.encode();
    // Each round takes a share of what is longest, so few are needed.
    while bytes.len() > max {
        // The schedule may be most of the bytes, and its end is the least specific part.
        if program.schedule.len() / 2 > program.nr_ops() {
            program.schedule.truncate(program.schedule.len() / 2);
        } else {
            let longest = program.tasks.iter_mut().chain(program.shrinkers.iter_mut().map(|s| &mut s.ops));
            match longest.max_by_key(|ops| ops.len()).filter(|ops| ops.len() > 1) {
                Some(ops) => ops.truncate(ops.len() - (ops.len() / 8).max(1)),
                None => break, // hardly an op is left: what is too long are lists of small things
            }
        }
        repair(&mut program);
        let shorter = program.encode();
        if shorter.len() >= bytes.len() {
            break; // what ends sections takes the place of what was cut
        }
        bytes = shorter;
    }
    // Any bytes are a program; this one loses its end.
    bytes.truncate(max);
    bytes
}
