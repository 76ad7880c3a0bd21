// SPDX-License-Identifier: GPL-2.0-only
//! The checks of one acquisition, and the dependencies that it makes on the locks held.
//!
//! This is the hot path of the engine. A dependency is checked only when it is new, which few are after the first ops.

use super::context::Held;
use super::engine::Lockdep;
use super::matrix::{Dep, Read};
use super::report::Link;

impl Lockdep {
    /// All checks of one acquisition, in the order of `__lock_acquire()`.
    ///
    /// `settled`: interrupts are on or off as they will be while the lock is held, so that the acquisition shows how
    /// the class is used. It is false for a spinlock that was found taken, where that shows only later.
    #[inline]
    pub(super) fn examine(&mut self, lock: &Held, settled: bool) {
        // The order decides which report comes first, and titles of later ones may depend on it.
        let wait = self.waits[lock.class.at()];
        // A larger number is a weaker context: a lock that waits longer than the context allows is wrong here. A
        // trylock does not wait.
        if wait != 0 && !lock.trylock && wait > self.context().strictest(self.top) {
            self.report_wait(lock);
        }
        self.mark_usage(lock, settled);
        if !lock.trylock {
            // The set of held classes rules out nearly all acquisitions without a search.
            if self.context().holds & lock.class.bit() != 0 {
                self.check_recursion(lock);
            }
            self.depend(lock);
        }
    }

    /// Reports a second lock of a class that the context already holds, perhaps under an interrupt
    /// (`check_deadlock()`).
    ///
    /// Only recursive readers may share it: any other waits for itself.
    fn check_recursion(&mut self, next: &Held) {
        let clash =
            self.context().held().iter().find(|prev| {
                prev.class == next.class && !(next.read == Read::Recursive && prev.read != Read::Exclusive)
            });
        if let Some(prev) = clash.copied() {
            self.report_recursion(next, &prev);
        }
    }

    /// Adds dependencies on the locks held, from the nearest down to the first that carries those below it
    /// (`check_prevs_add()`).
    ///
    /// The lock below already depends on those farther down, so the graph has the longer paths anyway. That is not so
    /// below a trylock, to which no dependency leads, and below a recursive reader, whose dependencies do not go on to
    /// readers.
    #[inline]
    fn depend(&mut self, next: &Held) {
        for at in (0..self.context().held().len()).rev() {
            let prev = &self.context().held()[at];
            // What an interrupt takes does not depend on what the interrupted context holds.
            if prev.irq_context != next.irq_context {
                break;
            }
            // Copied now, since a new edge needs the engine mutably.
            let through = prev.through;
            // The two maps of reclaim are taken together and released together, so their order means nothing.
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

    /// Checks and adds a dependency that no earlier acquisition made (`check_prev_add()`).
    ///
    /// It is out of line and marked cold, as a program makes few dependencies and takes locks often.
    #[cold]
    fn new_edge(&mut self, prev: &Held, next: &Held, dep: Dep) {
        // A dependency may break both rules. The kernel checks cycles first too, and prints only that report.
        self.check_cycle(prev, next);
        self.check_irq_order(prev, next);
        // A dependency that closed a cycle is added too: the engine goes on, and reports what else follows from it.
        self.matrix.add(prev.class, next.class, dep);
        self.links.push(Link { from: prev.class, to: next.class, dep, origin: Some(next.place) });
    }
}
