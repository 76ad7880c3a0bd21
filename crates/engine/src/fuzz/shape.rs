// SPDX-License-Identifier: GPL-2.0-only
//! Shapes: what all programs of a target have in common.
//!
//! A shape turns any program into one of its target and leaves those as they are, so that a stored input means what
//! ran.

use percuss_kernel::event::{Ext, Site};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Memory, Var};
use percuss_program::{HeldLock, Op, Program, Shrinker, Turn};

/// Most ops of a `boot` program, before those that end its sections.
///
/// Each input boots, which takes far longer than ops.
pub(super) const BOOT_OPS: usize = 12;

/// Most possible CPUs of a small machine.
///
/// With more, memory takes long to run out, and a boot longer than what follows.
const FEW_CPUS: u32 = 8;

/// Most tasks of a `schedule` program and of one for threads, whose findings `schedule` replays.
///
/// Two make a race; more only make each rarer.
const SCHEDULE_TASKS: usize = 4;

/// Shape of `lockstep` and `patched`: any program of a safe caller.
pub(super) fn any(program: &mut Program) {
    program.unsafe_caller = false;
    program.repair();
}

/// Removes CPUs, lowest first, until there are few.
fn few_cpus(program: &mut Program) {
    while program.boot.cpus.count_ones() > FEW_CPUS {
        program.boot.cpus &= program.boot.cpus - 1; // without its lowest
    }
}

/// Shape of `reclaim`: memory is short on a small machine, and there is a shrinker that frees one variable.
pub(super) fn reclaim(program: &mut Program) {
    few_cpus(program);
    any(program);
    let cpus = program.boot.nr_cpus() as u16;
    let tight = Memory { free: 4 * cpus, reserve: 2, clean: cpus, io: cpus, fs: cpus, oom: 0, kswapd: true };
    program.memory.get_or_insert(tight);
    if program.shrinkers.is_empty() {
        let lock = HeldLock { lock: Ext::Fs, shared: false };
        let ops = vec![Op::Lock { lock }, Op::Free { var: Var(0) }, Op::Unlock { lock }];
        program.shrinkers.push(Shrinker { gated: true, objects: 2, ops });
    }
    program.repair();
}

/// Shape of `boot`: one task with few ops and plenty of memory; faults only at boot or in the first allocations.
pub(super) fn boot(program: &mut Program) {
    program.tasks.truncate(1);
    program.tasks.iter_mut().for_each(|ops| ops.truncate(BOOT_OPS));
    program.shrinkers.clear();
    program.memory = None;
    program.schedule.clear();
    program.faults.retain(|f| f.site == Site::Memblock || f.nth <= BOOT_OPS as u32);
    any(program);
    // Ops that end sections came on top. A second cut to one op needs at most one more of them.
    if program.nr_ops() > 2 * BOOT_OPS {
        program.tasks[0].truncate(1);
        program.repair();
    }
}

/// Makes at least two tasks by splitting the only one, and drops tasks beyond a few.
fn several(program: &mut Program) {
    if program.tasks.len() < 2 {
        let only = &mut program.tasks[0];
        let second = only.split_off(only.len() / 2);
        program.tasks.push(second);
    }
    program.tasks.truncate(SCHEDULE_TASKS);
}

/// Shape of `schedule`: several tasks, and a schedule that preempts them.
pub(super) fn schedule(program: &mut Program) {
    several(program);
    any(program);
    if !program.schedule.iter().any(|turn| turn.preempts()) {
        program.schedule = in_turn(program);
        program.repair();
    }
}

/// A schedule that gives each task in turn a few scheduling points.
pub(super) fn in_turn(program: &Program) -> Vec<Turn> {
    let tasks = program.tasks.len();
    // An op passes about a dozen points, of which five make a turn: the schedule lasts for most of the program.
    (0..2 * program.nr_ops().max(1)).map(|i| Turn::points(i % tasks, 5)).collect()
}

/// Shape of `threads`: tasks that can run on real threads, as in the epochs of a soak.
///
/// Nothing reads what percpu.c reads without a lock, and nothing is left that has no thread of its own: kswapd,
/// shrinkers, handlers. The schedule is empty, as the threads make the order.
pub(super) fn threads(program: &mut Program) {
    few_cpus(program);
    several(program);
    for ops in &mut program.tasks {
        ops.retain(|op| !matches!(op, Op::NrPages));
        for op in ops {
            // `warn_limit` is not locked in percpu.c (B15), and the note that an atomic allocation failed is made after
            // the warning. Without a warning no other task can run in between.
            if let Op::Alloc { gfp, .. } = op {
                *gfp = *gfp | Gfp::NOWARN;
            }
        }
    }
    if let Some(memory) = &mut program.memory {
        memory.kswapd = false;
    }
    program.shrinkers.clear();
    program.handlers.clear();
    program.schedule.clear();
    any(program);
}
