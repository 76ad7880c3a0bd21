// SPDX-License-Identifier: GPL-2.0-only
//! Makes reports, each violation once.
//!
//! The kernel turns lockdep off after the first report, since its state may then be wrong. Here the engine goes on, and
//! a title that does not depend on order or place distinguishes one violation from its repetitions.

use super::class::Class;
use super::context::Held;
use super::engine::Lockdep;
use super::place::Place;
use super::report::{Detail, IrqState, Kind, Link, Lock, Report, Snapshot, rotate};

impl From<&Held> for Lock {
    fn from(h: &Held) -> Lock {
        Lock { class: h.class, read: h.read, place: h.place }
    }
}

/// Name of a context as the kernel would print it, `comm/pid`.
///
/// Pids are made up from the context's index, from 1 on, as 0 is the idle task.
pub(super) fn task_name(task: u8) -> String {
    use percuss_kernel::WORKER;
    match task as usize {
        WORKER => format!("kworker/{}", WORKER + 1),
        t if t > WORKER => format!("kswapd0/{}", t + 1),
        t => format!("task{t}/{}", t + 1),
    }
}

impl Lockdep {
    /// Keeps a report unless one with its title exists.
    ///
    /// A program that repeats a mistake in a loop gets one report of it, at its first place.
    #[cold]
    pub(super) fn report(&mut self, kind: Kind, headline: String, edges: Vec<Link>, place: Place, detail: Detail) {
        // Reports are few, so a search through all of them costs nothing.
        let title = self.title(kind, &headline, &edges, &detail);
        if self.reports.iter().any(|r| r.title == title) {
            return;
        }
        let context = self.context();
        let (hard, soft) = context.interrupts();
        // Everything that the text needs is copied now, since the run goes on and changes it.
        let irq = IrqState { hard, soft, hard_on: !context.hard_off(), soft_on: soft == 0, preempt: context.preempt };
        let held = context.held().iter().map(Lock::from).collect();
        // The usages as they are now: later ones would not explain this report.
        let then = Box::new(Snapshot {
            table: self.table.clone(),
            usage: self.usage,
            waits: self.waits,
            marks: self.marks.clone(),
            irq,
        });
        self.reports.push(Report {
            kind,
            headline,
            title,
            place,
            held,
            edges,
            detail,
            then,
            // Filled by `finish()`: looking up call sites is slow, and most reports of a campaign are repetitions.
            sites: Default::default(),
        });
    }

    /// The title: the headline and what distinguishes one violation of the kind from another, whatever op showed it.
    ///
    /// Campaigns and tests compare titles, so they contain no number that differs from run to run.
    fn title(&self, kind: Kind, headline: &str, edges: &[Link], detail: &Detail) -> String {
        let name = |c: Class| self.table.name(c);
        // A path has one name more than it has dependencies; a cycle ends where it began.
        let mut names: Vec<&str> = edges.iter().map(|l| name(l.from)).collect();
        match kind {
            Kind::Circular => rotate(&mut names),
            _ => names.extend(edges.last().map(|l| name(l.to))),
        }
        let about = match detail {
            Detail::Circular { .. } | Detail::IrqOrder { .. } => names.join(" --> "),
            Detail::IrqInversion { other, .. } => format!("{} ({})", names.join(" --> "), other.1.irq_name()),
            Detail::Recursive { next, .. } => name(next.class).to_owned(),
            Detail::Inconsistent { lock, old, new } => {
                format!("{} {{{}}} -> {{{}}}", name(lock.class), old.name(), new.name())
            }
            // The lock that restricts the context is half of the mistake; without one the interrupt does.
            Detail::InvalidWait { next, .. } => {
                let strictest = self.strictest_held().map(|c| format!("{} --> ", name(c)));
                format!("{}{}", strictest.unwrap_or_default(), name(next.class))
            }
            Detail::UnlockBalance { class } => name(*class).to_owned(),
            Detail::HeldLockFreed { lock } => name(lock.class).to_owned(),
            Detail::LocksHeld => {
                let held = self.context().held().iter().filter(|h| h.class.is_tenants());
                let names: Vec<&str> = held.map(|h| name(h.class)).collect();
                // The headline of the kernel names the task, which a title must not.
                return format!("WARNING: still has locks held! {}", names.join(", ")).trim_end().to_owned();
            }
            Detail::SleepInAtomic { irqs_off } => match self.strictest_held() {
                Some(c) => format!("under {}", name(c)),
                None if *irqs_off => "with interrupts off".to_owned(),
                None => "with preemption off".to_owned(),
            },
        };
        format!("{headline}: {about}")
    }

    /// The first of the strictest spinlocks held; None if none is held.
    ///
    /// It explains why sleeping is not allowed.
    fn strictest_held(&self) -> Option<Class> {
        let wait = |c: Class| self.waits[c.at()];
        // Pseudo locks have no wait type and forbid nothing.
        let spin = self.context().held().iter().filter(|h| wait(h.class) != 0);
        let strictest = spin.min_by_key(|h| wait(h.class))?.class;
        (wait(strictest) < super::class::Wait::Sleep.number(self.top > 4)).then_some(strictest)
    }

    /// Reports a lock that waits longer than its context allows (`print_lock_invalid_wait_context()`), as a mutex under
    /// a spinlock.
    #[cold]
    pub(super) fn report_wait(&mut self, next: &Held) {
        let context = self.context().wait_context(self.top);
        let detail = Detail::InvalidWait { next: Lock::from(next), context };
        self.report(Kind::InvalidWait, "[ BUG: Invalid wait context ]".to_owned(), Vec::new(), next.place, detail);
    }

    #[cold]
    pub(super) fn report_recursion(&mut self, next: &Held, prev: &Held) {
        let detail = Detail::Recursive { next: Lock::from(next), prev: Lock::from(prev) };
        let headline = "WARNING: possible recursive locking detected".to_owned();
        self.report(Kind::Recursive, headline, Vec::new(), next.place, detail);
    }

    /// Reports a release of a lock that is not held by the running context (`print_unlock_imbalance_bug()`).
    #[cold]
    pub(super) fn report_unlock(&mut self, place: Place, class: Class) {
        let headline = "WARNING: bad unlock balance detected!".to_owned();
        self.report(Kind::UnlockBalance, headline, Vec::new(), place, Detail::UnlockBalance { class });
    }

    #[cold]
    pub(super) fn report_freed(&mut self, place: Place, lock: &Held) {
        let detail = Detail::HeldLockFreed { lock: Lock::from(lock) };
        self.report(Kind::HeldLockFreed, "WARNING: held lock freed!".to_owned(), Vec::new(), place, detail);
    }

    #[cold]
    pub(super) fn report_held(&mut self, place: Place) {
        let headline = format!("WARNING: {} still has locks held!", task_name(place.task));
        self.report(Kind::LocksHeld, headline, Vec::new(), place, Detail::LocksHeld);
    }

    /// Reports a function that may sleep, called with a spinlock held or with interrupts or preemption off.
    ///
    /// It is `__might_resched()` in the kernel, and no part of lockdep; but its report lists the locks held.
    #[cold]
    pub(super) fn report_sleep(&mut self, place: Place, irqs_off: bool) {
        let headline = "BUG: sleeping function called from invalid context".to_owned();
        self.report(Kind::SleepInAtomic, headline, Vec::new(), place, Detail::SleepInAtomic { irqs_off });
    }
}
