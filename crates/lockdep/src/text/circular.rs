// SPDX-License-Identifier: GPL-2.0-only
//! The text of cycles of several classes, and of one.

use super::Page;
use crate::declared;
use crate::matrix::Read;
use crate::report::{Link, Lock};

impl Page<'_> {
    pub(super) fn circular(&mut self, next: &Lock, prev: &Lock) {
        self.head();
        self.wanted_and_held(next, prev);
        self.line("");
        self.line("which lock already depends on the new lock.");
        self.line("");
        self.line("");
        self.line("the existing dependency chain (in reverse order) is:");
        let report = self.report;
        // The last edge is the new one; the others lead from the wanted lock to the held one. The kernel prints them in
        // reverse.
        let (_, old) = report.edges.split_last().unwrap_or((&report.edges[0], &[]));
        for (depth, link) in old.iter().enumerate().rev() {
            self.chain_entry(depth + 1, link);
        }
        let wanted = self.annotated(next.class);
        self.line("");
        self.line(&format!("-> #0{wanted}:"));
        self.trace(&next.place, 6);
        self.line("");
        self.line("other info that might help us debug this:");
        self.line("");
        self.circular_scenario(next, prev, old);
        self.held();
        self.line("");
        self.backtrace();
    }

    fn wanted_and_held(&mut self, next: &Lock, prev: &Lock) {
        let (task, next, prev) = (self.task(), self.lock(next), self.lock(prev));
        self.line(&format!("{task} is trying to acquire lock:"));
        self.line(&next);
        self.line("");
        self.line("but task is already holding lock:");
        self.line(&prev);
    }

    /// One lock of the chain, numbered from the wanted one on (`print_circular_bug_entry()`).
    ///
    /// A declared dependency has no acquisition to show, so its reason stands there instead.
    fn chain_entry(&mut self, depth: usize, link: &Link) {
        let lock = self.annotated(link.to);
        self.line("");
        self.line(&format!("-> #{depth}{lock}:"));
        match link.origin {
            Some(place) => self.trace(&place, 6),
            None => self.line(&format!("       declared: {}", declared::why(link.from, link.to))),
        }
    }

    /// Two CPUs that would deadlock (`print_circular_lock_scenario()`).
    ///
    /// Longer cycles need more than two; as in the kernel, those between stand under "Chain exists of".
    fn circular_scenario(&mut self, next: &Lock, prev: &Lock, old: &[Link]) {
        // The lock before the held one on the path, which the second CPU takes in its place.
        let parent = old.last().map_or(next.class, |l| l.from);
        if parent != next.class {
            self.chain_exists([next.class, parent, prev.class]);
        }
        self.two_cpus(" Possible unsafe locking scenario:");
        let lock = |read: Read| if read == Read::Exclusive { "lock" } else { "rlock" };
        let (wanted, held, middle) = (self.name(next.class), self.name(prev.class), self.name(parent));
        self.cpu0(&format!("{}({held})", lock(prev.read)));
        self.cpu1(&format!("lock({middle})"));
        self.cpu1(&format!("lock({held})"));
        self.cpu0(&format!("{}({wanted})", lock(next.read)));
        self.deadlock();
    }

    pub(super) fn recursive(&mut self, next: &Lock, prev: &Lock) {
        self.head();
        self.wanted_and_held(next, prev);
        self.line("");
        self.line("other info that might help us debug this:");
        self.line(" Possible unsafe locking scenario:");
        self.line("");
        self.line("       CPU0");
        self.line("       ----");
        let (held, wanted) = (self.name(prev.class), self.name(next.class));
        self.cpu0(&format!("lock({held})"));
        self.cpu0(&format!("lock({wanted})"));
        self.deadlock();
        self.line(" May be due to missing lock nesting notation");
        self.line("");
        self.held();
        self.line("");
        self.backtrace();
    }
}
