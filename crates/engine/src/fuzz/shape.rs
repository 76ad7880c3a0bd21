// SPDX-License-Identifier: GPL-2.0-only
//! What programs of a target have in common.

use percuss_kernel::event::{Ext, Site};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Memory, Var};
use percuss_program::{HeldLock, Op, Program, Shrinker, Turn};

/// Ops of a `boot` program, before what ends their sections.
pub(super) const BOOT_OPS: usize = 12;

/// Possible CPUs of a small machine: with more, memory takes long to run out, and a boot takes longer than what follows.
const FEW_CPUS: u32 = 8;

/// Tasks of a `schedule` program, and of one for threads, whose findings `schedule` replays: two make a race, more only
/// make it rarer.
const SCHEDULE_TASKS: usize = 4;

/// Any program of a safe caller.
pub(super) fn any(program: &mut Program) {
    program.unsafe_caller = false;
    program.repair();
}

/// Takes CPUs away until there are few.
fn few_cpus(program: &mut Program) {
    while program.boot.cpus.count_ones() > FEW_CPUS {
        program.boot.cpus &= program.boot.cpus - 1; // without its lowest
    }
}

/// Memory is short on a small machine, and there is a shrinker.
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

/// One task with few ops and memory enough; faults only where boot may meet them, or the first allocations.
pub(super) fn boot(program: &mut Program) {
    program.tasks.truncate(1);
    program.tasks.iter_mut().for_each(|ops| ops.truncate(BOOT_OPS));
    program.shrinkers.clear();
    program.memory = None;
    program.schedule.clear();
    program.faults.retain(|f| f.site == Site::Memblock || f.nth <= BOOT_OPS as u32);
    any(program);
    // What ends sections came on top; it is cut only when it is too much, which cannot be twice.
    if program.nr_ops() > 2 * BOOT_OPS {
        program.tasks[0].truncate(1);
        program.repair();
    }
}

/// At least two tasks; of more than a few the first.
fn several(program: &mut Program) {
    if program.tasks.len() < 2 {
        let only = &mut program.tasks[0];
        let second = only.split_off(only.len() / 2);
        program.tasks.push(second);
    }
    program.tasks.truncate(SCHEDULE_TASKS);
}

/// Several tasks, and a schedule that preempts them.
pub(super) fn schedule(program: &mut Program) {
    several(program);
    any(program);
    if !program.schedule.iter().any(|turn| turn.preempts()) {
        program.schedule = in_turn(program);
        program.repair();
    }
}

/// A schedule in which each task has the same few scheduling points at a time.
pub(super) fn in_turn(program: &Program) -> Vec<Turn> {
    let tasks = program.tasks.len();
    (0..2 * program.nr_ops().max(1)).map(|i| Turn::points(i % tasks, 5)).collect()
}

/// Several tasks that can run on threads, much as in the epochs of a soak: nobody asks for what percpu.c reads without a
/// lock, and what has no thread of its own (kswapd, shrinkers, interrupts from elsewhere) is not there. Who runs when is for
/// the threads to say.
pub(super) fn threads(program: &mut Program) {
    few_cpus(program);
    several(program);
    for ops in &mut program.tasks {
        ops.retain(|op| !matches!(op, Op::NrPages));
        for op in ops {
            // The number of warnings left is nobody's (B15), nor is the note that an atomic allocation failed, which is made
            // after the warning: without one no other task can run in between.
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
