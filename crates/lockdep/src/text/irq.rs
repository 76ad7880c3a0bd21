// SPDX-License-Identifier: GPL-2.0-only
//! The text of violations that need an interrupt.

use super::Page;
use crate::class::Class;
use crate::declared;
use crate::report::{Link, Lock};
use crate::usage::Usage;

impl Page<'_> {
    pub(super) fn irq_order(
        &mut self,
        next: &Lock,
        prev: &Lock,
        safe: (Class, Usage),
        unsafe_: (Class, Usage),
        split: usize,
    ) {
        let report = self.report;
        let irq = safe.1.irq_name();
        self.head();
        self.wanted_with_state("is trying to acquire", next);
        self.line("");
        self.line("and this task is already holding:");
        let (held, from, to) = (self.lock(prev), self.annotated(prev.class), self.annotated(next.class));
        self.line(&held);
        self.line("which would create a new lock dependency:");
        self.line(&format!("{from} ->{to}"));
        self.became(&format!("but this new dependency connects a {irq}-irq-safe lock:"), &irq, "safe", safe);
        self.became(&format!("to a {irq}-irq-unsafe lock:"), &irq, "unsafe", unsafe_);
        self.line("");
        self.line("other info that might help us debug this:");
        self.line("");
        // The scenario has room for one lock between the two ends, as the kernel's has.
        let middle = if prev.class == safe.0 { next.class } else { prev.class };
        self.irq_scenario(safe.0, middle, unsafe_.0);
        self.held();
        self.line("");
        self.line(&format!("the dependencies between {irq}-irq-safe lock and the holding lock:"));
        self.dependencies(safe.0, &report.edges[..split]);
        self.line("");
        self.line(&format!("the dependencies between the lock to be acquired and {irq}-irq-unsafe lock:"));
        self.dependencies(next.class, &report.edges[split + 1..]);
        self.line("");
        self.backtrace();
    }

    fn wanted_with_state(&mut self, what: &str, lock: &Lock) {
        let (task, state, lock) = (self.task(), self.irq_state(), self.lock(lock));
        self.line(&format!("{task} {state} {what}:"));
        self.line(&lock);
    }

    /// One end of a bad dependency: the lock, and where it came to be safe or unsafe.
    ///
    /// "Safe" is the kernel's word for a lock that an interrupt takes, "unsafe" for one held with it enabled.
    fn became(&mut self, heading: &str, irq: &str, what: &str, lock: (Class, Usage)) {
        let name = self.annotated(lock.0);
        self.line("");
        self.line(heading);
        self.line(&name);
        self.line("");
        self.line(&format!("... which became {irq}-irq-{what} at:"));
        self.usage_trace(lock.0, lock.1, 1);
    }

    /// An interrupt that waits for a lock whose holder waits for the interrupted task (`print_irq_lock_scenario()`).
    fn irq_scenario(&mut self, safe: Class, middle: Class, unsafe_: Class) {
        if middle != unsafe_ {
            self.chain_exists([safe, middle, unsafe_]);
        }
        let [safe, middle, unsafe_] = [safe, middle, unsafe_].map(|c| self.name(c));
        self.two_cpus(" Possible interrupt unsafe locking scenario:");
        self.cpu0(&format!("lock({unsafe_})"));
        self.cpu1("local_irq_disable()");
        self.cpu1(&format!("lock({safe})"));
        self.cpu1(&format!("lock({middle})"));
        self.line("  <Interrupt>");
        self.cpu0(&format!("  lock({safe})"));
        self.deadlock();
    }

    /// The classes along a path with how they are used, and each dependency (`print_shortest_lock_dependencies()`).
    fn dependencies(&mut self, first: Class, links: &[Link]) {
        self.class_header(first, 0);
        for (n, link) in links.iter().enumerate() {
            let pad = " ".repeat(n);
            self.line(&format!("{pad} ... acquired at:"));
            match link.origin {
                Some(place) => self.trace(&place, 2),
                None => self.line(&format!("   declared: {}", declared::why(link.from, link.to))),
            }
            self.line("");
            self.class_header(link.to, n + 1);
        }
    }

    /// A class with the place of each of its usages, in the order in which they were seen
    /// (`print_lock_class_header()`).
    fn class_header(&mut self, class: Class, depth: usize) {
        let pad = " ".repeat(depth);
        let name = self.annotated(class);
        self.line(&format!("{pad}->{name} {{"));
        // Collected first: printing needs the page mutably.
        let marks: Vec<Usage> = self.report.then.marks.iter().filter(|m| m.class == class).map(|m| m.usage).collect();
        for usage in marks {
            let heading = format!("{pad}   {} at:", usage.name());
            self.line(&heading);
            self.usage_trace(class, usage, heading.len());
        }
        self.line(&format!("{pad} }}"));
    }

    pub(super) fn irq_inversion(&mut self, lock: &Lock, other: (Class, Usage), forwards: bool) {
        let report = self.report;
        let irq = other.1.irq_name();
        self.head();
        let (task, changed, theirs) = (self.task(), self.lock(lock), self.annotated(other.0));
        self.line(&format!("{task} just changed the state of lock:"));
        self.line(&changed);
        self.line(&match forwards {
            true => format!("but this lock took another, {irq}-unsafe lock in the past:"),
            false => format!("but this lock was taken by another, {irq}-safe lock in the past:"),
        });
        self.line(&theirs);
        self.line("");
        self.line("");
        self.line("and interrupts could create inverse lock ordering between them.");
        self.line("");
        self.line("");
        self.line("other info that might help us debug this:");
        let (safe, unsafe_) = if forwards { (lock.class, other.0) } else { (other.0, lock.class) };
        // The lock of the path next to the one whose state changed.
        let near = if forwards { report.edges.first().map(|l| l.to) } else { report.edges.last().map(|l| l.from) };
        let middle = near.filter(|m| *m != safe).unwrap_or(unsafe_);
        self.irq_scenario(safe, middle, unsafe_);
        self.held();
        self.line("");
        self.line("the shortest dependencies between 2nd lock and 1st lock:");
        self.dependencies(safe, &report.edges);
        self.line("");
        self.backtrace();
    }

    pub(super) fn inconsistent(&mut self, lock: &Lock, old: Usage, new: Usage) {
        self.head();
        self.line(&format!("inconsistent {{{}}} -> {{{}}} usage.", old.name(), new.name()));
        self.wanted_with_state("takes", lock);
        self.line(&format!("{{{}}} state was registered at:", old.name()));
        self.usage_trace(lock.class, old, 1);
        self.line("");
        self.line("other info that might help us debug this:");
        self.line(" Possible unsafe locking scenario:");
        self.line("");
        self.line("       CPU0");
        self.line("       ----");
        let name = self.name(lock.class);
        self.cpu0(&format!("lock({name})"));
        self.line("  <Interrupt>");
        self.cpu0(&format!("  lock({name})"));
        self.deadlock();
        self.held();
        self.line("");
        self.backtrace();
    }
}
