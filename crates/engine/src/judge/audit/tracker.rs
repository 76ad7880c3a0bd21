// SPDX-License-Identifier: GPL-2.0-only
//! What is in force in each context while a log is read: op, scopes, locks.

use percuss_kernel::event::Event;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{CONTEXTS, Scope, WORKER};
use percuss_program::{Op, Program, op_at};
use percuss_world::Task;

/// One context.
#[derive(Debug, Clone, Default)]
struct State {
    /// Ops that run, the inner ones those of shrinkers.
    ops: Vec<u32>,
    task: Task,
    locks: Vec<&'static str>,
}

/// Follows a log.
#[derive(Debug)]
pub struct Tracker {
    states: Vec<State>,
    current: usize,
    /// Contexts to go back to when the work item ends.
    before_work: usize,
}

impl Default for Tracker {
    fn default() -> Tracker {
        Tracker { states: vec![State::default(); CONTEXTS], current: 0, before_work: 0 }
    }
}

impl Tracker {
    /// Takes note of an event, before it is asked about or after: the two differ for events that change the state only.
    pub fn feed(&mut self, event: &Event) {
        let now = &mut self.states[self.current];
        match *event {
            Event::Switch { task } => self.current = usize::from(task).min(CONTEXTS - 1),
            Event::WorkBegin => {
                self.before_work = self.current;
                self.current = WORKER;
                self.states[WORKER] = State::default();
            }
            Event::WorkEnd => self.current = self.before_work,
            Event::OpBegin { op } => now.ops.push(op),
            Event::OpEnd { .. } => drop(now.ops.pop()),
            Event::ScopeSave { scope, .. } => drop(now.task.enter(scope)),
            Event::ScopeRestore { scope, old } => now.task.restore(scope, old),
            Event::ReclaimBegin { .. } => drop(now.task.enter(Scope::Memalloc)),
            Event::ReclaimEnd { .. } => now.task.restore(Scope::Memalloc, false),
            Event::MutexLock { lock, taken: true, .. } | Event::SpinLock { lock, .. } => now.locks.push(lock.name()),
            Event::MutexUnlock { lock } | Event::SpinUnlock { lock, .. } => release(&mut now.locks, lock.name()),
            Event::LockExt { lock, .. } => now.locks.push(lock.name()),
            Event::UnlockExt { lock } => release(&mut now.locks, lock.name()),
            _ => {}
        }
    }

    /// The context that runs.
    pub fn context(&self) -> usize {
        self.current
    }

    /// The worker runs the work item.
    pub fn in_worker(&self) -> bool {
        self.current == WORKER
    }

    /// Number of the op that runs in the current context; `u32::MAX` outside of all.
    pub fn op(&self) -> u32 {
        self.states[self.current].ops.last().copied().unwrap_or(u32::MAX)
    }

    /// Mask that the op that runs was called with; None for the worker and for ops that allocate nothing.
    pub fn caller(&self, program: &Program) -> Option<Gfp> {
        if self.in_worker() {
            return None;
        }
        match op_at(program, self.op())? {
            Op::Alloc { gfp, .. } => Some(gfp),
            Op::SchedProbe { .. } => Some(Gfp::NOWAIT),
            _ => None,
        }
    }

    /// Scopes in force, by their flags' names; empty for none.
    pub fn scopes(&self) -> String {
        let names = [(Scope::Noio, "NOIO"), (Scope::Nofs, "NOFS"), (Scope::Memalloc, "MEMALLOC")];
        let scopes = self.states[self.current].task.scopes();
        let on = names.iter().filter(|(s, _)| scopes >> *s as u8 & 1 == 1).map(|(_, n)| *n);
        on.collect::<Vec<_>>().join("+")
    }

    /// What the scopes in force leave of a mask; nothing of reclaim inside reclaim.
    pub fn effective(&self, gfp: Gfp) -> Gfp {
        let task = &self.states[self.current].task;
        let gfp = task.gfp_context(gfp);
        let memalloc = task.scopes() >> Scope::Memalloc as u8 & 1 == 1;
        if memalloc { gfp.without(Gfp::DIRECT_RECLAIM | Gfp::IO | Gfp::FS) } else { gfp }
    }

    /// Locks held, outermost first.
    pub fn locks(&self) -> &[&'static str] {
        &self.states[self.current].locks
    }
}

fn release(locks: &mut Vec<&'static str>, name: &'static str) {
    if let Some(at) = locks.iter().rposition(|l| *l == name) {
        locks.remove(at);
    }
}
