// SPDX-License-Identifier: GPL-2.0-only
//! Mutations of the ops of tasks and shrinkers.
//!
//! The ops of handlers are left to mutations of bytes.

use std::ops::Range;

use super::super::Program;
use super::super::codes::{EDGE_SIZES, GFPS};
use super::super::draw::{Draw, Sizes};
use super::super::op::{Op, TABLE};
use super::super::rng::Rng;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Var, limits};

/// Most ops of a run that is deleted or copied.
///
/// Longer runs replace a program rather than change it.
const RUN: u32 = 24;

/// Number of lists of ops: tasks first, then shrinkers.
pub(super) fn nr_lists(program: &Program) -> usize {
    program.tasks.len() + program.shrinkers.len()
}

/// A list by its number among tasks and shrinkers.
pub(super) fn list(program: &mut Program, index: usize) -> &mut Vec<Op> {
    let tasks = program.tasks.len();
    match index.checked_sub(tasks) {
        None => &mut program.tasks[index],
        Some(shrinker) => &mut program.shrinkers[shrinker].ops,
    }
}

/// Draws a list, in proportion to its length, so that every op is equally likely to be changed.
///
/// The 1 added lets an empty list be drawn too.
fn drawn_list(program: &mut Program, rng: &mut Rng) -> usize {
    let lens: Vec<u32> = (0..nr_lists(program)).map(|i| 1 + list(program, i).len() as u32).collect();
    rng.weighted(lens.into_iter())
}

/// Draws a run of a list, single ops in half of the draws.
///
/// Empty only for an empty list.
fn drawn_run(len: usize, rng: &mut Rng) -> Range<usize> {
    if len == 0 {
        return 0..0;
    }
    let run = if rng.chance(1, 2) { 1 } else { rng.log_range(1, RUN.min(len as u32)) as usize };
    let at = rng.below((len - run + 1) as u32) as usize;
    at..at + run
}

/// Draws an op for which `wanted` holds, as list and index; None if there is none.
///
/// All are equally likely.
fn drawn_op(program: &mut Program, rng: &mut Rng, wanted: impl Fn(&Op) -> bool) -> Option<(usize, usize)> {
    let lists = nr_lists(program);
    let count: usize = (0..lists).map(|i| list(program, i).iter().filter(|op| wanted(op)).count()).sum();
    // Two passes and no list: programs are large and mutations many.
    let mut nth = rng.below(count.try_into().ok().filter(|n| *n > 0)?) as usize;
    for i in 0..lists {
        for (place, op) in list(program, i).iter().enumerate() {
            if wanted(op) {
                if nth == 0 {
                    return Some((i, place));
                }
                nth -= 1;
            }
        }
    }
    None
}

fn is_alloc(op: &Op) -> bool {
    matches!(op, Op::Alloc { .. })
}

/// Inserts ops with operands drawn as the generator draws them, for the variables that are live at their place.
pub(super) fn insert(program: &mut Program, rng: &mut Rng) {
    let index = drawn_list(program, rng);
    let (boot, tasks) = (program.boot, program.tasks.len());
    let at = rng.below(list(program, index).len() as u32 + 1) as usize;
    let slots = rng.pick(&[8, 24, 64, 256]);
    let sizes = rng.pick(&[Sizes::Mixed, Sizes::Mixed, Sizes::Boundary, Sizes::Large]);
    let n = if rng.chance(1, 2) { 1 } else { rng.log_range(1, 16) };
    let mut draw = Draw::new(rng, boot, slots, tasks);
    draw.sizes = sizes;
    // Which ops ran before is not known without the schedule. That all lists before this one did is a good guess, as
    // tasks run one after the other or in turns.
    for i in 0..index {
        list(program, i).iter().for_each(|op| op.note(&mut draw));
    }
    list(program, index)[..at].iter().for_each(|op| op.note(&mut draw));
    // One kind for most of the run: several allocations in a row reach more than one of each.
    let row = draw.rng.weighted(TABLE.iter().map(|op| op.weight));
    let mut new = Vec::new();
    for _ in 0..n {
        // A run is mostly of one kind.
        let row = if draw.rng.chance(1, 4) { draw.rng.weighted(TABLE.iter().map(|op| op.weight)) } else { row };
        let op = Op::draw(row, &mut draw);
        op.note(&mut draw);
        new.push(op);
    }
    list(program, index).splice(at..at, new);
}

/// Removes a run of ops of one list.
pub(super) fn delete(program: &mut Program, rng: &mut Rng) {
    let index = drawn_list(program, rng);
    let run = drawn_run(list(program, index).len(), rng);
    list(program, index).drain(run);
}

/// Repeats a run of ops right after itself, up to eight times.
pub(super) fn duplicate(program: &mut Program, rng: &mut Rng) {
    let index = drawn_list(program, rng);
    let ops = list(program, index);
    let run = drawn_run(ops.len(), rng);
    // Repetition fills chunks and free lists, which single copies seldom do.
    let times = rng.pick(&[1, 1, 1, 2, 4, 8]);
    let copy = ops[run.clone()].repeat(times);
    if ops.len() + copy.len() <= limits::OPS {
        ops.splice(run.end..run.end, copy);
    }
}

/// Copies a run of ops to another place, or moves it there in half of the cases.
pub(super) fn splice(program: &mut Program, rng: &mut Rng) {
    let (from, to) = (drawn_list(program, rng), drawn_list(program, rng));
    let source = list(program, from);
    let run = drawn_run(source.len(), rng);
    let copy = match rng.chance(1, 2) {
        true => source[run].to_vec(),
        false => source.drain(run).collect(), // a move
    };
    put(list(program, to), copy, rng);
}

/// Inserts ops at a random place of a list.
pub(super) fn put(ops: &mut Vec<Op>, new: Vec<Op>, rng: &mut Rng) {
    let at = rng.below(ops.len() as u32 + 1) as usize;
    ops.splice(at..at, new);
}

/// Gives an allocation a size at or beside a limit, the size of another, or another alignment.
///
/// Inserts ops if the program has no allocation.
pub(super) fn resize(program: &mut Program, rng: &mut Rng) {
    let Some(place) = drawn_op(program, rng, is_alloc) else { return insert(program, rng) };
    let other = drawn_op(program, rng, is_alloc).map(|(i, at)| list(program, i)[at]);
    let unit = program.boot.least_unit();
    let Op::Alloc { size, align, .. } = &mut list(program, place.0)[place.1] else { return };
    let step =
        |size: u32, rng: &mut Rng| size.wrapping_add(rng.pick(&[0, 4, 8, 0u32.wrapping_sub(4), 0u32.wrapping_sub(8)]));
    match rng.below(6) {
        0 | 1 => *size = step(rng.pick(&EDGE_SIZES), rng),
        2 => *size = step(rng.pick(&[unit, unit / 2, 2048, 1024, 4]), rng),
        3 => *size = step(*size, rng),
        4 => {
            if let Some(Op::Alloc { size: theirs, .. }) = other {
                *size = step(theirs, rng);
            }
        }
        _ => *align = 4 << rng.below(11),
    }
    // Every tree refuses a size that wrapped around, which is rarely worth a run.
    if *size > 64 << 10 && !rng.chance(1, 16) {
        *size = 4 + *size % (32 << 10);
    }
}

/// Gives an allocation another mask, changes one flag of it, or moves it to or from the reserved chunk.
pub(super) fn remask(program: &mut Program, rng: &mut Rng) {
    let Some(place) = drawn_op(program, rng, is_alloc) else { return insert(program, rng) };
    let Op::Alloc { gfp, reserved, .. } = &mut list(program, place.0)[place.1] else { return };
    const FLAGS: [Gfp; 7] =
        [Gfp::DIRECT_RECLAIM, Gfp::IO, Gfp::FS, Gfp::NOWARN, Gfp::ACCOUNT, Gfp::NORETRY, Gfp::NOFAIL];
    match rng.below(8) {
        0..4 => *gfp = rng.pick(&GFPS),
        // One flag more or less is often the difference between two paths of `pcpu_alloc()`.
        4..7 => *gfp = Gfp(gfp.0 ^ rng.pick(&FLAGS).0),
        _ => *reserved = !*reserved,
    }
}

/// Makes an op use the variable of another op, so that what one place allocates is freed or used in another.
pub(super) fn rename(program: &mut Program, rng: &mut Rng) {
    let has_var = |op: &Op| {
        let mut has = false;
        let mut copy = *op;
        copy.visit_vars(&mut |_: &mut Var| has = true);
        has
    };
    let Some(other) = drawn_op(program, rng, has_var) else { return };
    let Some(place) = drawn_op(program, rng, has_var) else { return };
    let mut var = Var(rng.below(8) as u8);
    let mut source = list(program, other.0)[other.1];
    source.visit_vars(&mut |v: &mut Var| var = *v);
    list(program, place.0)[place.1].visit_vars(&mut |v: &mut Var| *v = var);
}
