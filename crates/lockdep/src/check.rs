// SPDX-License-Identifier: GPL-2.0-only
//! The rules about order and interrupts, checked when a dependency or a usage is new.
//!
//! The functions correspond to those of kernel/locking/lockdep.c that their documentation names.

use super::class::Class;
use super::context::Held;
use super::engine::Lockdep;
use super::matrix::{Read, Way};
use super::report::{
    Detail, INCONSISTENT, IRQ_INVERSION, Kind, Link, Lock, Mark, circular_headline, irq_order_headline,
};
use super::usage::{self, ENABLED, USED_IN, Usage, Usages, WRITE};

impl Lockdep {
    /// Reports a cycle that the new dependency `prev -> next` closes (`check_noncircular()`).
    ///
    /// The search starts at `next` and looks for `prev`; the dependency itself is not in the graph yet.
    pub(super) fn check_cycle(&mut self, prev: &Held, next: &Held) {
        // Both joints of the new dependency must be strong: the one at `next`, where the search starts, and the one at
        // `prev`, where it ends.
        let weak = next.read == Read::Recursive;
        let path = self
            .matrix
            .search(Way::After, next.class, weak, |c, weak| c == prev.class && (prev.read == Read::Exclusive || !weak));
        let Some(path) = path else { return };
        let mut edges = self.links_along(&path, weak);
        edges.push(new_link(prev, next));
        // Cycles through a class that the kernel does not have get a headline of their own.
        let ours = path.contains(&Class::IO_RECLAIM);
        let headline = circular_headline(ours);
        let detail = Detail::Circular { next: Lock::from(next), prev: Lock::from(prev) };
        self.report(Kind::Circular, headline, edges, next.place, detail);
    }

    /// The links along a path, each the one that the first acquisition of its kind made.
    ///
    /// Every step takes the strongest kind that the step before allows, as the search did.
    fn links_along(&self, path: &[Class], mut weak: bool) -> Vec<Link> {
        path.windows(2)
            .filter_map(|pair| {
                let dep = self.matrix.kind(pair[0], pair[1], weak)?;
                weak = dep.is_weak();
                self.links.iter().find(|l| (l.from, l.to, l.dep) == (pair[0], pair[1], dep)).copied()
            })
            .collect()
    }

    /// Reports a new dependency that leads from a lock that an interrupt takes to one held with it enabled
    /// (`check_irq_usage()`).
    pub(super) fn check_irq_order(&mut self, prev: &Held, next: &Held) {
        for soft in [false, true] {
            let irq = usage::of_irq(soft);
            // Without both usages somewhere no search can find anything, as in most programs.
            if self.in_use & irq & USED_IN == 0 || self.in_use & irq & ENABLED == 0 {
                continue;
            }
            self.check_one_irq(prev, next, irq);
        }
    }

    /// Searches backwards for a lock that the interrupt takes, then forwards for one held with it enabled.
    ///
    /// Both together with the new dependency are the deadlock: the interrupt takes the first lock, and on another CPU
    /// the path from it to the last one is held, whose holder this interrupt keeps from running.
    fn check_one_irq(&mut self, prev: &Held, next: &Held, irq: Usages) {
        // Backwards a joint is weak when the later dependency begins at a reader, of whichever sort.
        let (reads, weak) = (prev.read != Read::Exclusive, next.read == Read::Recursive);
        let usage = &self.usage;
        let Some(mut back) = self
            .matrix
            .search(Way::Before, prev.class, reads, |c, weak| counted(usage[c.at()], weak) & irq & USED_IN != 0)
        else {
            return;
        };
        let Some(path) = self
            .matrix
            .search(Way::After, next.class, weak, |c, weak| counted(usage[c.at()], weak) & irq & ENABLED != 0)
        else {
            return;
        };
        let (Some(safe), Some(unsafe_)) = (back.last().copied(), path.last().copied()) else { return };
        // The report names one usage at each end, even if several conflict.
        let used_in = usage::first(usage[safe.at()] & irq & USED_IN);
        let enabled = usage::first(usage[unsafe_.at()] & irq & ENABLED);
        // The search went against the direction of the dependencies.
        back.reverse();
        let mut edges = self.links_along(&back, false);
        // The report prints the parts on the two sides of the new dependency under headings of their own.
        let split = edges.len();
        edges.push(new_link(prev, next));
        edges.extend(self.links_along(&path, weak));
        let headline = irq_order_headline(&used_in.irq_name());
        let detail = Detail::IrqOrder {
            next: Lock::from(next),
            prev: Lock::from(prev),
            safe: (safe, used_in),
            unsafe_: (unsafe_, enabled),
            split,
        };
        self.report(Kind::IrqOrder, headline, edges, next.place, detail);
    }

    /// Marks in which interrupts the class is taken, and which are enabled while it is held (`mark_usage()`).
    ///
    /// `settled` is as for [`Lockdep::examine`]: false while it is not known yet how interrupts will be.
    #[inline]
    pub(super) fn mark_usage(&mut self, lock: &Held, settled: bool) {
        let context = self.context();
        let read = (lock.read != Read::Exclusive) as u8;
        let mut set: Usages = 0;
        if settled && !context.hard_off() {
            // Bit 2 is "held with hard interrupts enabled", bit 6 the same for soft ones; readers have the next bit.
            let soft_on = lock.irq_context & 1 == 0;
            set = (1 << 2 | (soft_on as Usages) << 6) << read;
        }
        // A trylock in an interrupt does not wait for the interrupted context, so it cannot deadlock with it.
        if lock.irq_context != 0 && !lock.trylock {
            set |= ((lock.irq_context >> 1) as Usages | ((lock.irq_context & 1) as Usages) << 4) << read;
        }
        // A usage that the class has already was checked when it was new.
        let mut new = set & !self.usage[lock.class.at()];
        while new != 0 {
            let usage = usage::first(new);
            new &= new - 1;
            self.mark(lock, usage);
        }
    }

    /// Takes note of a new usage of a class, and checks what follows from it (`mark_lock()`).
    ///
    /// The class itself comes first, then the classes that it leads to or that lead to it.
    #[cold]
    fn mark(&mut self, lock: &Held, new: Usage) {
        let before = self.usage[lock.class.at()];
        self.usage[lock.class.at()] |= new.bit();
        self.in_use |= new.bit();
        self.marks.push(Mark { class: lock.class, usage: new, place: lock.place });
        if before & new.conflicts() != 0 {
            let old = usage::first(before & new.conflicts());
            let headline = INCONSISTENT.to_owned();
            let detail = Detail::Inconsistent { lock: Lock::from(lock), old, new };
            self.report(Kind::Inconsistent, headline, Vec::new(), lock.place, detail);
        }
        // If no class at all has the opposite usage, the search cannot find one.
        if self.in_use & new.opposite() != 0 {
            self.check_inversion(lock, new);
        }
    }

    /// Reports a new usage that conflicts with one of a lock that this one leads to or, for an "enabled" usage, of one
    /// that leads to this one (`check_usage_forwards()` and `check_usage_backwards()`).
    fn check_inversion(&mut self, lock: &Held, new: Usage) {
        let forwards = !new.enabled();
        let (way, weak) = match forwards {
            true => (Way::After, lock.read == Read::Recursive),
            false => (Way::Before, lock.read != Read::Exclusive),
        };
        let usage = &self.usage;
        let found = self.matrix.search(way, lock.class, weak, |c, weak| {
            c != lock.class && counted(usage[c.at()], weak) & new.opposite() != 0
        });
        let Some(mut path) = found else { return };
        let Some(other) = path.last().copied() else { return };
        let theirs = usage::first(usage[other.at()] & new.opposite());
        // Paths are reported in the direction of the dependencies, whichever way the search went.
        if !forwards {
            path.reverse();
        }
        let edges = self.links_along(&path, weak && forwards);
        let headline = IRQ_INVERSION.to_owned();
        let detail = Detail::IrqInversion { lock: Lock::from(lock), other: (other, theirs), forwards };
        self.report(Kind::IrqInversion, headline, edges, lock.place, detail);
    }
}

/// The usages that count for a lock that a path reaches by a weak step.
///
/// A weak step ends at a recursive reader, and readers do not block it, so only usages by writers count.
pub(super) fn counted(usages: Usages, weak: bool) -> Usages {
    if weak { usages & WRITE } else { usages }
}

fn new_link(prev: &Held, next: &Held) -> Link {
    let dep = super::matrix::Dep::new(prev.read, next.read);
    Link { from: prev.class, to: next.class, dep, origin: Some(next.place) }
}
