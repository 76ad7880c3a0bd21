// SPDX-License-Identifier: GPL-2.0-only
//! The text of violations by one lock alone, or by the context.

use super::Page;
use crate::class::Class;
use crate::report::Lock;

impl Page<'_> {
    pub(super) fn invalid_wait(&mut self, next: &Lock, context: u8) {
        self.head();
        let (task, wanted) = (self.task(), self.lock(next));
        self.line(&format!("{task} is trying to lock:"));
        self.line(&wanted);
        self.line("other info that might help us debug this:");
        self.line(&format!("context-{{{context}:{context}}}"));
        self.held();
        self.backtrace();
    }

    pub(super) fn unlock_balance(&mut self, class: Class) {
        self.head();
        let (task, name, place) = (self.task(), self.name(class), self.report.place);
        self.line(&format!("{task} is trying to release lock ({name}) at:"));
        let site = self.site(&place);
        self.line(&site);
        self.line("but there are no more locks to release!");
        self.line("");
        self.line("other info that might help us debug this:");
        self.held();
        self.line("");
        self.backtrace();
    }

    pub(super) fn held_lock_freed(&mut self, lock: &Lock) {
        self.head();
        let (task, lock) = (self.task(), self.lock(lock));
        self.line(&format!("{task} is freeing memory, with a lock still held there!"));
        self.line(&lock);
        self.held();
        self.line("");
        self.backtrace();
    }

    pub(super) fn locks_held(&mut self) {
        self.head();
        self.held();
        self.line("");
        self.backtrace();
    }

    pub(super) fn sleep_in_atomic(&mut self, irqs_off: bool) {
        let (report, then) = (self.report, &self.report.then);
        // Spinlocks count into the preempt count of the kernel; the number 2 is the wait type of spinlocks.
        let spinning = report.held.iter().filter(|l| matches!(then.waits[l.class.at()], 2)).count() as u32;
        let preempt = then.irq.preempt + spinning;
        let site = self.site(&report.place);
        self.line(&format!("{} at {site}", report.headline));
        let task = self.task();
        let (comm, pid) = task.split_once('/').unwrap_or((&task, "0"));
        let (atomic, off) = ((preempt > 0) as u8, irqs_off as u8);
        self.line(&format!("in_atomic(): {atomic}, irqs_disabled(): {off}, non_block: 0, pid: {pid}, name: {comm}"));
        self.line(&format!("preempt_count: {preempt:x}, expected: 0"));
        self.held();
        self.backtrace();
    }
}
