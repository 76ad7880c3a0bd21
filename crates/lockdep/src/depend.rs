// SPDX-License-Identifier: GPL-2.0-only
//! An acquisition: its checks, and the dependencies it makes on what is held.

use super::context::Held;
use super::engine::Lockdep;
use super::matrix::{Dep, Read};
use super::report::Link;

impl Lockdep {
    /// All checks of one acquisition, in the kernel's order: `__lock_acquire()`. `settled`: interrupts are as they will be
    /// when the lock is held, so that its usage shows.
    #[inline]
    pub(super) fn examine(&mut self, lock: &Held, settled: bool) {
        let wait = self.waits[lock.class.at()];
        if wait != 0 && !lock.trylock && wait > self.context().strictest(self.top) {
            self.report_wait(lock);
        }
        self.mark_usage(lock, settled);
        if !lock.trylock {
            if self.context().holds & lock.class.bit() != 0 {
                self.check_recursion(lock);
            }
            self.depend(lock);
        }
    }

    /// `check_deadlock()`: the context holds a lock of this class already, perhaps under an interrupt.
    fn check_recursion(&mut self, next: &Held) {
        let clash =
            self.context().held().iter().find(|prev| {
                prev.class == next.class && !(next.read == Read::Recursive && prev.read != Read::Exclusive)
            });
        if let Some(prev) = clash.copied() {
            self.report_recursion(next, &prev);
        }
    }

    /// `check_prevs_add()`: dependencies on the locks held, from the nearest down to the first that carries those below it.
    /// A trylock has no dependency to it, and a recursive reader none that goes on to readers: both let through.
    #[inline]
    fn depend(&mut self, next: &Held) {
        for at in (0..self.context().held().len()).rev() {
            let prev = &self.context().held()[at];
            if prev.irq_context != next.irq_context {
                break;
            }
            let through = prev.through;
            // The two maps of reclaim are taken together, in no order.
            if prev.class.is_reclaim() && next.class.is_reclaim() && prev.class != next.class {
                continue;
            }
            let dep = Dep::new(prev.read, next.read);
            if prev.class != next.class && !self.matrix.has(prev.class, next.class, dep) {
                let prev = *prev;
                self.new_edge(&prev, next, dep);
            }
            if !through {
                break;
            }
        }
    }

    /// `check_prev_add()`
    #[cold]
    fn new_edge(&mut self, prev: &Held, next: &Held, dep: Dep) {
        self.check_cycle(prev, next);
        self.check_irq_order(prev, next);
        // Also when it closed a cycle: what follows from it is reported as well.
        self.matrix.add(prev.class, next.class, dep);
        self.links.push(Link { from: prev.class, to: next.class, dep, origin: Some(next.place) });
    }
}
