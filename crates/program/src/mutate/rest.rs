// SPDX-License-Identifier: GPL-2.0-only
//! Mutations of all but the ops: faults, the schedule, memory, the machine.

use super::super::axes::{ATOMS, CPUS, DYNS, PAGES, RESERVED, STATICS, UNITS};
use super::super::op::Op;
use super::super::rng::Rng;
use super::super::{Program, Shrinker, Turn};
use super::ops::{list, nr_lists};
use percuss_kernel::event::Site;
use percuss_kernel::geometry::First;
use percuss_kernel::{Fault, Memory, Var, limits};

/// Moves a fault to another allocation or site, adds one or removes one.
pub(super) fn fault(program: &mut Program, rng: &mut Rng) {
    let drawn = |rng: &mut Rng| Fault {
        site: rng.pick(&Site::ALL).0,
        nth: rng.log_range(1, 64),
        times: rng.pick(&[1, 1, 1, 2, 5, u32::MAX]),
    };
    let faults = &mut program.faults;
    let n = faults.len() as u32;
    // Never more than a program may have, as repair would cut the new one.
    if n == 0 || (rng.chance(1, 4) && faults.len() < limits::FAULTS) {
        return faults.push(drawn(rng));
    }
    let at = rng.below(n) as usize;
    match rng.below(8) {
        0 => drop(faults.swap_remove(at)),
        1 => faults[at] = drawn(rng),
        2 => faults[at].site = rng.pick(&Site::ALL).0,
        3 => faults[at].times = drawn(rng).times,
        // Small steps: the next or last allocation before or after is the likely one to matter.
        4 | 5 => faults[at].nth = faults[at].nth.saturating_add(rng.pick(&[1, 1, 2, 8])),
        _ => faults[at].nth = faults[at].nth.saturating_sub(rng.pick(&[1, 1, 2, 8])),
    }
}

/// Changes the schedule.
///
/// A program with one task gets a second from its second half, as one task has no schedule.
pub(super) fn schedule(program: &mut Program, rng: &mut Rng) {
    let tasks = program.tasks.len();
    if tasks == 1 || (tasks < 4 && rng.chance(1, 12)) {
        return split(program, rng);
    }
    let lane = |rng: &mut Rng| rng.below(tasks as u32) as usize;
    // Three of four turns end inside an op, since that is what this mutation is for.
    let turn = |rng: &mut Rng| match rng.below(4) {
        0 => Turn::op(lane(rng)),
        _ => Turn::points(lane(rng), rng.log_range(1, 32)),
    };
    let ops: usize = program.tasks.iter().map(Vec::len).sum();
    let reclaims = program.memory.is_some();
    let turns = &mut program.schedule;
    let n = turns.len() as u32;
    if n == 0 || rng.chance(1, 12) {
        // A new schedule, about as long as the ops need.
        *turns = (0..ops.max(1)).map(|_| turn(rng)).collect();
        return;
    }
    let at = rng.below(n) as usize;
    match rng.below(12) {
        0 | 1 => turns[at].lane = lane(rng) as u8,
        2 if reclaims => turns[at].lane = Turn::KSWAPD,
        // Races depend on the scheduling point within an op, so points change most often.
        2..5 => turns[at].points = turns[at].points.saturating_add(rng.pick(&[1, 1, 2, 4])),
        5..7 => turns[at].points = turns[at].points.saturating_sub(1).max(1),
        7 if at > 0 => turns.swap(at - 1, at),
        8 => drop(turns.remove(at)),
        9 => turns[at] = turn(rng),
        _ => {
            let (new, times) = (turn(rng), rng.log_range(1, 8) as usize);
            turns.splice(at..at, std::iter::repeat_n(new, times));
        }
    }
}

/// Makes the second half of a task, from a random op on, a task of its own.
///
/// Both share the variables of the first.
fn split(program: &mut Program, rng: &mut Rng) {
    if program.tasks.len() == limits::TASKS {
        return;
    }
    let task = rng.below(program.tasks.len() as u32) as usize;
    let ops = &mut program.tasks[task];
    let at = rng.below(ops.len() as u32 + 1) as usize;
    let second = ops.split_off(at);
    program.tasks.push(second);
}

/// Changes one field of memory, or a shrinker.
///
/// Without memory, adds it with a few pages for each CPU.
pub(super) fn pressure(program: &mut Program, rng: &mut Rng) {
    let cpus = program.boot.nr_cpus() as u16;
    let Some(memory) = &mut program.memory else {
        program.memory = Some(Memory { free: rng.pick(&[2, 8, 32]) * cpus, ..Memory::default() });
        return;
    };
    let pages = |rng: &mut Rng| rng.pick(&[0, 0, 1, 4, 16]) * cpus;
    match rng.below(12) {
        0 => memory.free = rng.pick(&[1, 2, 4, 8, 32, 128]) * cpus,
        1 => memory.free = memory.free.saturating_sub(1),
        2 => memory.reserve = rng.pick(&[0, 1, 4, 16, 64]),
        3 => memory.clean = pages(rng),
        4 => memory.io = pages(rng),
        5 => memory.fs = pages(rng),
        6 => memory.oom = pages(rng),
        7 => memory.kswapd = !memory.kswapd,
        _ => shrinker(program, rng),
    }
}

/// Adds a shrinker, removes or changes one, or copies an op of another list to it.
fn shrinker(program: &mut Program, rng: &mut Rng) {
    let n = program.shrinkers.len() as u32;
    if n == 0 || (rng.chance(1, 6) && program.shrinkers.len() < limits::SHRINKERS) {
        let free = Op::Free { var: Var(rng.below(16) as u8) };
        return program.shrinkers.push(Shrinker { gated: rng.chance(1, 2), objects: 2, ops: vec![free] });
    }
    let at = rng.below(n) as usize;
    match rng.below(5) {
        0 => drop(program.shrinkers.remove(at)),
        1 => program.shrinkers[at].gated ^= true,
        2 => program.shrinkers[at].objects = rng.below(5) as u8,
        _ => {
            // Ops of tasks are the source of what shrinkers do, since they fit the variables in use.
            let from = rng.below(nr_lists(program) as u32) as usize;
            let ops = list(program, from);
            if ops.is_empty() {
                return;
            }
            let op = ops[rng.below(ops.len() as u32) as usize];
            let to = &mut program.shrinkers[at].ops;
            to.insert(rng.below(to.len() as u32 + 1) as usize, op);
        }
    }
}

/// Changes one field of the machine: mostly to a value worth trying, sometimes to a neighbour of the value it has.
pub(super) fn machine(program: &mut Program, rng: &mut Rng) {
    let boot = &mut program.boot;
    // Page and word steps, where rounding changes.
    let near = |value: u32, rng: &mut Rng| match rng.chance(1, 2) {
        true => value.wrapping_add(rng.pick(&[1, 4, 8, 4096])),
        false => value.saturating_sub(rng.pick(&[1, 4, 8, 4096])),
    };
    let exact = rng.chance(2, 3);
    match rng.below(11) {
        0 if exact => boot.cpus = rng.pick(&CPUS),
        // A hole or one CPU more among the first 16.
        0 => boot.cpus ^= 1 << rng.below(16),
        1 => boot.groups = 1 + rng.below(4) as u8,
        2 => boot.interleaved ^= true,
        3 => boot.static_size = if exact { rng.pick(&STATICS) } else { near(boot.static_size, rng) },
        4 => boot.reserved = if exact { rng.pick(&RESERVED) } else { near(boot.reserved, rng) },
        5 => boot.dyn_size = if exact { rng.pick(&DYNS) } else { near(boot.dyn_size, rng) },
        6 => boot.atom = if exact { rng.pick(&ATOMS) } else { 4096 << rng.below(10) },
        7 => {
            let least = boot.least_unit();
            // Only hand-made infos have a unit to choose.
            boot.first = First::Info;
            boot.unit = if exact { rng.pick(&UNITS) } else { least + 4096 * rng.below(16) };
        }
        8 => boot.first = rng.pick(&[First::Embed, First::Page, First::Info]),
        9 => boot.kmem ^= true,
        _ => boot.pages = if exact { rng.pick(&PAGES) } else { rng.log_range(1, 4096) },
    }
}
