// SPDX-License-Identifier: GPL-2.0-only
//! Ops begin and end. At the end of each the World checks that the allocator has left the caller's context as it was.

use crate::world::World;
use percuss_kernel::event::Event;
use percuss_kernel::op_is_nested;

/// The running task's context at the start of an op, to compare with the end: an allocator that leaves interrupts off
/// or a lock held is caught by this, whatever its callers do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    irqs_off: bool,
    preempt: u32,
    /// Locks held. Only a nested op starts with any: those of the op that it runs inside.
    held: u32,
    spinning: u32,
    op: u32,
}

impl World {
    /// Notes that an op starts in the running context. Every op is between `op_begin` and [`World::op_end`], which gets
    /// the result of this.
    pub fn op_begin(&mut self, op: u32) -> Context {
        // The call site of the outer op is needed again when the nested one has ended.
        if op_is_nested(op) {
            self.buffers.sites.enter(self.run.current);
        }
        // The last op's call site is no place of this one.
        self.set_site(None);
        self.emit(Event::OpBegin { op });
        let outer = std::mem::replace(&mut self.run.ops[self.run.current], op);
        let t = self.task();
        let held = t.held().count() as u32;
        Context { irqs_off: t.irqs_off, preempt: t.preempt, held, spinning: t.spinning, op: outer }
    }

    /// Notes that an op ended, and logs a `ContextLeak` if it left interrupts, the preemption count or a lock changed.
    /// A `free` op is one whose purpose is to change the context, so interrupts and preemption may differ after it.
    pub fn op_end(&mut self, op: u32, result: u64, before: Context, free: bool) {
        let t = *self.task();
        let held = t.held().count() as u32;
        // Fewer locks are no leak: a release of a lock that the task does not hold is logged as a misuse instead.
        if held > before.held
            || t.spinning > before.spinning
            || (!free && (t.irqs_off, t.preempt) != (before.irqs_off, before.preempt))
        {
            self.emit(Event::ContextLeak { irqs_off: t.irqs_off, held });
        }
        self.emit(Event::OpEnd { op, result });
        if op_is_nested(op) {
            // Only a nested op has one to go back to. After any other op the number stays, so that events between ops
            // count for the last one.
            self.run.ops[self.run.current] = before.op;
            self.buffers.sites.leave(self.run.current);
        }
    }

    #[inline]
    pub fn current_op(&self) -> u32 {
        self.run.ops[self.run.current]
    }
}
