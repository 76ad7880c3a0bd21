// SPDX-License-Identifier: GPL-2.0-only
//! Makes any program one that may run, by the smallest change.
//!
//! Decoder, mutator and minimizer make programs without looking at limits or the contract, and repair once at the end.

use super::Program;
use super::contract::{ContractState, KNOWN_FLAGS};
use super::op::Op;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Geometry, limits};

impl Program {
    /// Cuts what exceeds a limit, makes the geometry possible and, unless the caller is unsafe, keeps the caller
    /// contract.
    ///
    /// A program that already may run is not changed, so repairing twice gives the same as once. Corpora depend on it:
    /// what was repaired before encoding decodes to itself.
    pub fn repair(&mut self) {
        self.boot.repair();
        self.tasks.truncate(limits::TASKS);
        if self.tasks.is_empty() {
            self.tasks.push(Vec::new());
        }
        // Copied, as the lists are borrowed below.
        let (boot, unsafe_caller, tasks) = (self.boot, self.unsafe_caller, self.tasks.len() as u8);
        // What is left of the limit on ops; tasks are served first.
        let mut left = limits::OPS;
        for ops in &mut self.tasks {
            ops.iter_mut().for_each(|op| in_range(op, tasks));
            if unsafe_caller {
                ops.truncate(left);
            } else {
                keep_contract(ops, &boot, ContractState::new(&boot), left);
            }
            left -= ops.len();
        }
        self.shrinkers.truncate(limits::SHRINKERS);
        for shrinker in &mut self.shrinkers {
            shrinker.ops.iter_mut().for_each(|op| in_range(op, tasks));
            if unsafe_caller {
                shrinker.ops.truncate(left);
            } else {
                keep_contract(&mut shrinker.ops, &boot, ContractState::shrinker(&boot, shrinker.gated), left);
            }
            left -= shrinker.ops.len();
        }
        self.handlers.truncate(limits::HANDLERS);
        for handler in &mut self.handlers {
            handler.ops.iter_mut().for_each(|op| in_range(op, tasks));
            if unsafe_caller {
                handler.ops.truncate(left);
            } else {
                keep_contract(&mut handler.ops, &boot, ContractState::handler(&boot, handler.hard), left);
            }
            left -= handler.ops.len();
        }
        if let Some(memory) = &mut self.memory {
            memory.repair();
        }
        self.faults.truncate(limits::FAULTS);
        for fault in &mut self.faults {
            // Counts start at 1; 0 would be a fault that never fires, of which there are many spellings.
            fault.nth = fault.nth.max(1);
            fault.times = fault.times.max(1);
        }
        self.schedule.truncate(limits::SCHEDULE);
        let (tasks, handlers) = (self.tasks.len(), self.handlers.len());
        // Without a handler there is none to fire instead.
        self.schedule.retain(|turn| handlers > 0 || turn.fires().is_none());
        self.schedule.iter_mut().for_each(|turn| turn.repair(tasks, handlers));
    }

    /// True if [`Program::repair`] would change nothing.
    pub fn is_repaired(&self) -> bool {
        let mut copy = self.clone();
        copy.repair();
        copy == *self
    }
}

/// Brings operands into range that have no meaning at all outside it, for unsafe callers too.
fn in_range(op: &mut Op, tasks: u8) {
    match op {
        Op::Signal { task: Some(task) } => *task %= tasks,
        Op::Memcg { id } => *id %= limits::MEMCG + 1,
        Op::IsStatic { cpu, .. } | Op::Phys { cpu, .. } => *cpu %= 64,
        _ => {}
    }
}

/// Edits or drops the ops that break a rule and ends what is still in force at the end, in at most `room` ops.
fn keep_contract(ops: &mut Vec<Op>, boot: &Geometry, mut state: ContractState, room: usize) {
    let mut kept = 0;
    for i in 0..ops.len() {
        // An op that cannot be made legal is dropped, and the state stays as before it.
        let Some(op) = legal(ops[i], &state, boot) else { continue };
        let mut after = state;
        after.apply(&op);
        if kept + 1 + after.nr_closers() > room {
            continue; // what ends a section still fits: it was counted when the section began
        }
        // Never ahead of `i`: an op becomes one op or none.
        ops[kept] = op;
        kept += 1;
        state = after;
    }
    // What is still open at the end is ended by the ops that the room was kept for.
    ops.truncate(kept);
    ops.extend(state.closers());
}

/// The op itself, or the nearest one that keeps the contract; None if there is none and the op must go.
fn legal(mut op: Op, state: &ContractState, boot: &Geometry) -> Option<Op> {
    match &mut op {
        Op::Alloc { dst, size, align, reserved, gfp } => {
            *gfp = *gfp & KNOWN_FLAGS;
            // First the flags that no lock could allow, then those of locks, then what depends on reclaim being left.
            if !state.may_sleep() || state.never_sleeps() {
                *gfp = gfp.without(Gfp::DIRECT_RECLAIM);
            }
            // Forbidden flags go only from masks that could reclaim. In the others they have no effect, and callers do
            // use such masks.
            if state
                .check(&Op::Alloc { dst: *dst, size: *size, align: *align, reserved: *reserved, gfp: *gfp })
                .is_err()
            {
                *gfp = gfp.without(state.forbidden());
            }
            if !gfp.allows_blocking() {
                *gfp = gfp.without(Gfp::NOFAIL);
            }
        }
        Op::IsStatic { cpu, .. } | Op::Phys { cpu, .. } if boot.cpus >> *cpu & 1 == 0 => {
            // Spread over the possible CPUs, where taking the first would make most random CPUs the same.
            let nth = usize::from(*cpu) % boot.nr_cpus() as usize;
            *cpu = boot.possible().nth(nth).expect("below the number of possible CPUs") as u8;
        }
        _ => {}
    }
    state.check(&op).is_ok().then_some(op)
}
