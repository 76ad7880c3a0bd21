// SPDX-License-Identifier: GPL-2.0-only
//! Ops begin and end.

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
    /// The op that the context ran before.
    op: u32,
}

impl World {
    /// Notes that an op starts in the running context. Every op is between `op_begin` and [`World::op_end`], which gets
    /// the result of this.
    pub fn op_begin(&mut self, op: u32) -> Context {
        if op_is_nested(op) {
            self.buffers.sites.enter(self.run.current);
        }
        self.set_site(None);
        self.emit(Event::OpBegin { op });
        let outer = std::mem::replace(&mut self.run.ops[self.run.current], op);
        let t = self.task();
        let held = t.held().count() as u32;
        Context { irqs_off: t.irqs_off, preempt: t.preempt, held, spinning: t.spinning, op: outer }
    }

    /// Notes that an op ended. A `free` op is one whose purpose is to change the context, so it may.
    pub fn op_end(&mut self, op: u32, result: u64, before: Context, free: bool) {
        let t = *self.task();
        let held = t.held().count() as u32;
        if held > before.held
            || t.spinning > before.spinning
            || (!free && (t.irqs_off, t.preempt) != (before.irqs_off, before.preempt))
        {
            self.emit(Event::ContextLeak { irqs_off: t.irqs_off, held });
        }
        self.emit(Event::OpEnd { op, result });
        if op_is_nested(op) {
            self.run.ops[self.run.current] = before.op;
            self.buffers.sites.leave(self.run.current);
        }
    }

    /// Number of the op that the running context is in.
    pub fn current_op(&self) -> u32 {
        self.run.ops[self.run.current]
    }
}
