// SPDX-License-Identifier: GPL-2.0-only
//! Reports: what the engine objects to, with all it takes to print it after the run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::class::{CLASSES, Class, ClassTable};
use super::matrix::{Dep, Read};
use super::place::Place;
use super::usage::{Usage, Usages};

/// Where in the source something was called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CallSite {
    /// The function that calls.
    pub function: String,
    /// Its file.
    pub file: String,
    /// The line of the call.
    pub line: u32,
}

/// What kind of rule was broken, and which function of the kernel prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `print_circular_bug()`
    Circular,
    /// `print_deadlock_bug()`
    Recursive,
    /// `print_bad_irq_dependency()`
    IrqOrder,
    /// `print_irq_inversion_bug()`
    IrqInversion,
    /// `print_usage_bug()`
    Inconsistent,
    /// `print_lock_invalid_wait_context()`
    InvalidWait,
    /// `print_unlock_imbalance_bug()`
    UnlockBalance,
    /// `print_freed_lock_bug()`
    HeldLockFreed,
    /// `print_held_locks_bug()`
    LocksHeld,
    /// `__might_resched()`
    SleepInAtomic,
}

/// A lock that is held or wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Its class.
    pub class: Class,
    /// How it is taken.
    pub read: Read,
    /// Where.
    pub place: Place,
}

/// A dependency in a report: `to` was taken with `from` held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The lock held.
    pub from: Class,
    /// The lock taken.
    pub to: Class,
    /// As what they were taken.
    pub dep: Dep,
    /// Where it was made first; none when it is declared.
    pub origin: Option<Place>,
}

/// A usage of a class, and where it was first seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub class: Class,
    pub usage: Usage,
    pub place: Place,
}

/// State of a context with regard to interrupts, for the headers that show it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct IrqState {
    pub hard: u8,
    pub soft: u8,
    pub hard_on: bool,
    pub soft_on: bool,
    pub preempt: u32,
}

/// What each kind needs beyond the rest.
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
    /// The first `split` links lead from the safe lock to `prev`.
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

/// The classes as they were when a report was made.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub table: ClassTable,
    pub usage: [Usages; CLASSES],
    pub waits: [u8; CLASSES],
    pub marks: Vec<Mark>,
    pub irq: IrqState,
}

/// One violation.
#[derive(Clone, Debug)]
pub struct Report {
    /// The rule.
    pub kind: Kind,
    /// The kernel's headline; ours begin with `percuss:`.
    pub headline: String,
    /// Headline and classes in an order that does not depend on where the violation showed: the same for the same defect.
    pub title: String,
    /// Where it showed.
    pub place: Place,
    /// Locks held there, the first taken first.
    pub held: Vec<Lock>,
    /// The dependencies that make it up, in order.
    pub edges: Vec<Link>,
    pub(super) detail: Detail,
    pub(super) then: Box<Snapshot>,
    pub(super) sites: BTreeMap<u32, CallSite>,
}

impl Report {
    /// Name of a class in this report.
    pub fn name(&self, class: Class) -> &'static str {
        self.then.table.name(class)
    }

    /// Names along the edges; for a cycle in canonical rotation. Empty for what is about one lock only.
    pub fn chain(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.edges.iter().map(|l| self.name(l.from)).collect();
        if self.kind == Kind::Circular {
            rotate(&mut names);
        } else if let Some(last) = self.edges.last() {
            names.push(self.name(last.to));
        }
        names
    }

    /// Asks for the call site of every event the report refers to.
    pub(super) fn resolve(&mut self, site: &dyn Fn(u32) -> Option<CallSite>) {
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

/// `print_irq_inversion_bug()`
pub(super) const IRQ_INVERSION: &str = "WARNING: possible irq lock inversion dependency detected";

/// `print_usage_bug()`
pub(super) const INCONSISTENT: &str = "WARNING: inconsistent lock state";

/// `print_circular_bug_header()`; `ours` when the kernel has no such class.
pub(super) fn circular_headline(ours: bool) -> String {
    let whose = if ours { "percuss" } else { "WARNING" };
    format!("{whose}: possible circular locking dependency detected")
}

/// `print_bad_irq_dependency()`
pub(super) fn irq_order_headline(irq: &str) -> String {
    format!("WARNING: {irq}-safe -> {irq}-unsafe lock order detected")
}

/// Turns a cycle so that it begins with its smallest name: the same for whichever edge closed it.
pub(super) fn rotate<T: Ord>(cycle: &mut [T]) {
    if let Some(at) = (0..cycle.len()).min_by_key(|at| &cycle[*at]) {
        cycle.rotate_left(at);
    }
}
