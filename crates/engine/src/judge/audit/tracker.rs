// SPDX-License-Identifier: GPL-2.0-only
//! What is in force in each context while a log is read: gfp scopes and locks. The cursor adds the op.
//!
//! The events carry the mask that the allocator passed. Only with the scopes of the context does it say what reaches
//! the page allocator, which is what the audit is about.

use percuss_kernel::event::{Event, LockMove};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{CONTEXTS, Cursor, Scope, events};
use percuss_program::{Op, Program, op_at};
use percuss_world::Task;

#[derive(Debug, Clone, Default)]
struct InForce {
    task: Task,
    locks: Vec<&'static str>,
}

#[derive(Debug)]
pub struct Tracker {
    cursor: Cursor,
    contexts: Vec<InForce>,
}

impl Default for Tracker {
    fn default() -> Tracker {
        Tracker { cursor: Cursor::new(), contexts: vec![InForce::default(); CONTEXTS] }
    }
}

impl Tracker {
    /// Takes note of the next event. Answers before and after it differ only for events that change what is in force,
    /// and a request does not, so callers may ask after it.
    pub fn feed(&mut self, event: &Event) {
        // First, for what an event changes belongs to the context that makes it.
        self.cursor.advance(event);
        let now = &mut self.contexts[self.cursor.context()];
        match event.lock() {
            Some((LockMove::Takes, name)) => now.locks.push(name),
            Some((LockMove::Releases, name)) => release(&mut now.locks, name),
            Some((LockMove::Waits | LockMove::GivesUp, _)) | None => {}
        }
        match *event {
            // A work item begins without scopes and locks, whatever the last one left.
            Event::WorkBegin => *now = InForce::default(),
            Event::ScopeSave { scope, .. } => drop(now.task.enter(scope)),
            Event::ScopeRestore { scope, old } => now.task.restore(scope, old),
            Event::ReclaimBegin { .. } => drop(now.task.enter(Scope::Memalloc)),
            Event::ReclaimEnd { .. } => now.task.restore(Scope::Memalloc, false),
            Event::CondResched | Event::Irqs { .. } | Event::Preempt { .. } | Event::Interrupt { .. } => {}
            Event::ShrinkBegin { .. } | Event::ShrinkEnd { .. } | Event::WakeKswapd => {}
            Event::Retry { .. } | Event::OomKill { .. } | Event::NoMemory { .. } => {}
            Event::Boot { .. } | Event::Switch { .. } | Event::OpBegin { .. } | Event::OpEnd { .. } => {}
            Event::WorkEnd | Event::State { .. } | Event::Stopped { .. } => {}
            events!(locks | requests | releases | services | traces | defects) => {}
        }
    }

    fn now(&self) -> &InForce {
        &self.contexts[self.cursor.context()]
    }

    /// The mask that the running op was called with; None for the worker, which has no caller, and for ops that
    /// allocate nothing.
    pub fn caller(&self, program: &Program) -> Option<Gfp> {
        // The worker runs inside an op for the cursor, but not on behalf of its caller.
        if self.cursor.in_worker() {
            return None;
        }
        match op_at(program, self.cursor.running()?)? {
            Op::Alloc { gfp, .. } => Some(gfp),
            Op::SchedProbe { .. } => Some(Gfp::NOWAIT),
            _ => None,
        }
    }

    /// Scopes in force, by their flags' names; empty for none.
    pub fn scopes(&self) -> String {
        // In a fixed order, so that equal scopes give equal rows.
        let names = [(Scope::Noio, "NOIO"), (Scope::Nofs, "NOFS"), (Scope::Memalloc, "MEMALLOC")];
        let scopes = self.now().task.scopes();
        let on = names.iter().filter(|(s, _)| scopes >> *s as u8 & 1 == 1).map(|(_, n)| *n);
        on.collect::<Vec<_>>().join("+")
    }

    /// What the scopes in force leave of a mask. Inside reclaim (PF_MEMALLOC) nothing reclaims again, so its flags go.
    pub fn effective(&self, gfp: Gfp) -> Gfp {
        let task = &self.now().task;
        let gfp = task.gfp_context(gfp);
        let memalloc = task.scopes() >> Scope::Memalloc as u8 & 1 == 1;
        if memalloc { gfp.without(Gfp::DIRECT_RECLAIM | Gfp::IO | Gfp::FS) } else { gfp }
    }

    /// Locks held, outermost first.
    pub fn locks(&self) -> &[&'static str] {
        &self.now().locks
    }
}

fn release(locks: &mut Vec<&'static str>, name: &'static str) {
    // The innermost one of that name. Locks need not be released in the reverse order.
    if let Some(at) = locks.iter().rposition(|l| *l == name) {
        locks.remove(at);
    }
}
