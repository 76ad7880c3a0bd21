// SPDX-License-Identifier: GPL-2.0-only
//! Reports: a violation with all it takes to print it after the run, when the engine has moved on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::class::{CLASSES, Class, ClassTable};
use super::matrix::{Dep, Read};
use super::place::Place;
use super::usage::{Usage, Usages};

/// A place in the source of the tree, as the debug information of the image names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CallSite {
    pub function: String,
    pub file: String,
    pub line: u32,
}

/// The rule that was broken.
///
/// Each corresponds to a report of the kernel, and its documentation names the function that prints it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A cycle of dependencies: each of several tasks may hold one lock and wait for the next (`print_circular_bug()`).
    Circular,
    Recursive,
    /// A dependency from a lock that an interrupt takes to one held with it enabled: `print_bad_irq_dependency()`.
    IrqOrder,
    /// The same, shown by a new usage instead of a new dependency: `print_irq_inversion_bug()`.
    ///
    /// Which of the two is reported depends on what happened last.
    IrqInversion,
    /// One class both taken in an interrupt and held with it enabled, so that the interrupt may wait for the task that
    /// it interrupts: `print_usage_bug()`.
    Inconsistent,
    /// A lock that sleeps or may sleep where that is not allowed: `print_lock_invalid_wait_context()`.
    InvalidWait,
    UnlockBalance,
    /// Freed memory with a held lock in it: `print_freed_lock_bug()`.
    HeldLockFreed,
    /// A lock held at the end of an op: `print_held_locks_bug()`.
    LocksHeld,
    /// A function that may sleep called in atomic context: `__might_resched()`.
    SleepInAtomic,
}

/// A lock that a context holds or wants, with the event that took it or was about to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    pub class: Class,
    pub read: Read,
    pub place: Place,
}

/// A dependency: `to` was taken with `from` held.
///
/// The engine keeps the first acquisition of each kind. Later ones add nothing to a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    pub from: Class,
    pub to: Class,
    pub dep: Dep,
    pub origin: Option<Place>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub class: Class,
    pub usage: Usage,
    pub place: Place,
}

/// Interrupt state of a context, which some headers show: nesting of interrupts, which are enabled, and the preempt
/// count.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct IrqState {
    pub hard: u8,
    pub soft: u8,
    pub hard_on: bool,
    pub soft_on: bool,
    pub preempt: u32,
}

/// What a report of each kind needs beyond the fields of all.
///
/// `next` is the lock that was about to be taken, `prev` the one held that it conflicts with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Detail {
    Circular {
        next: Lock,
        prev: Lock,
    },
    Recursive {
        next: Lock,
        prev: Lock,
    },
    /// The first `split` links lead from the safe lock to `prev`, the rest from `next` to the unsafe one; the link
    /// between them is the new dependency.
    IrqOrder {
        next: Lock,
        prev: Lock,
        safe: (Class, Usage),
        unsafe_: (Class, Usage),
        split: usize,
    },
    IrqInversion {
        lock: Lock,
        other: (Class, Usage),
        forwards: bool,
    },
    Inconsistent {
        lock: Lock,
        old: Usage,
        new: Usage,
    },
    InvalidWait {
        next: Lock,
        context: u8,
    },
    UnlockBalance {
        class: Class,
    },
    HeldLockFreed {
        lock: Lock,
    },
    LocksHeld,
    SleepInAtomic {
        irqs_off: bool,
    },
}

/// The state of all classes when the report was made.
///
/// It is boxed, since it is a few hundred bytes and reports are moved.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub table: ClassTable,
    pub usage: [Usages; CLASSES],
    pub waits: [u8; CLASSES],
    pub marks: Vec<Mark>,
    pub irq: IrqState,
}

/// One violation of a rule, complete: [`Report::text`] needs nothing else but how to show an op.
#[derive(Clone, Debug)]
pub struct Report {
    pub kind: Kind,
    /// The kernel's headline.
    ///
    /// Those of rules that the kernel does not have begin with `percuss:`.
    pub headline: String,
    /// Headline and classes, in an order that does not depend on where the violation showed.
    ///
    /// Reports of one defect have one title, by which campaigns group findings.
    pub title: String,
    pub place: Place,
    pub held: Vec<Lock>,
    /// The dependencies that make it up, in order; empty for rules about one lock.
    pub edges: Vec<Link>,
    pub(super) detail: Detail,
    pub(super) then: Box<Snapshot>,
    pub(super) sites: BTreeMap<u32, CallSite>,
}

impl Report {
    pub fn name(&self, class: Class) -> &'static str {
        self.then.table.name(class)
    }

    /// Names along the dependencies, a cycle from its smallest name on.
    ///
    /// It identifies the defect together with the kind; [`Trouble`](super::Trouble) is made from it.
    pub fn chain(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.edges.iter().map(|l| self.name(l.from)).collect();
        if self.kind == Kind::Circular {
            rotate(&mut names);
        // A chain that is no cycle has one lock more than it has dependencies.
        } else if let Some(last) = self.edges.last() {
            names.push(self.name(last.to));
        }
        names
    }

    /// Looks up and keeps the call site of every event that the text of the report can show.
    ///
    /// Afterwards the report no longer depends on the run.
    pub(super) fn resolve(&mut self, site: &dyn Fn(u32) -> Option<CallSite>) {
        // Everywhere that the text may name a place: held locks, dependencies, first usages, and the violation itself.
        let mut places: Vec<u32> = self.held.iter().map(|l| l.place.index).collect();
        places.extend(self.edges.iter().filter_map(|l| l.origin).map(|p| p.index));
        places.extend(self.then.marks.iter().map(|m| m.place.index));
        places.push(self.place.index);
        for index in places {
            if let Some(s) = site(index) {
                self.sites.insert(index, s);
            }
        }
    }
}

pub(super) const IRQ_INVERSION: &str = "WARNING: possible irq lock inversion dependency detected";

pub(super) const INCONSISTENT: &str = "WARNING: inconsistent lock state";

/// Headline of `print_circular_bug_header()`; `ours` for a cycle through a class that the kernel does not have, so that
/// it is not taken for one that lockdep would report.
pub(super) fn circular_headline(ours: bool) -> String {
    // The kernel prints its own headline with WARNING, by which scripts find it.
    let whose = if ours { "percuss" } else { "WARNING" };
    format!("{whose}: possible circular locking dependency detected")
}

/// Headline of `print_bad_irq_dependency()`, where `irq` is a name of [`Usage::irq_name`].
pub(super) fn irq_order_headline(irq: &str) -> String {
    format!("WARNING: {irq}-safe -> {irq}-unsafe lock order detected")
}

/// Rotates a cycle so that it begins with its smallest entry.
///
/// It is then the same whichever dependency closed it.
pub(super) fn rotate<T: Ord>(cycle: &mut [T]) {
    if let Some(at) = (0..cycle.len()).min_by_key(|at| &cycle[*at]) {
        cycle.rotate_left(at);
    }
}
