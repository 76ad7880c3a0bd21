// SPDX-License-Identifier: GPL-2.0-only
//! From events to locks: what each event of the World means for lock order.
//!
//! The match lists every event, also those without a meaning here, so that an event that is added later cannot be
//! forgotten.

use super::class::{Class, Wait};
use super::context::Held;
use super::engine::Lockdep;
use super::matrix::Read;
use super::place::Call;
use percuss_kernel::event::{Event, Ext};
use percuss_kernel::{Irq, events};

impl Lockdep {
    /// The next event of the program, with its index in the log. To be called for every event, in order: which context
    /// and op an event belongs to follows from those before it.
    #[inline]
    pub fn feed(&mut self, index: u32, event: &Event) {
        // These two belong to what they end, all others to what runs after them.
        let ends = matches!(event, Event::OpEnd { .. } | Event::WorkEnd);
        if !ends {
            self.cursor.advance_at(index, event);
        }
        match *event {
            Event::MutexLock { lock, taken, .. } => self.mutex(index, Class::of(lock), taken),
            Event::MutexUnlock { lock } => drop(self.unlock(index, Class::of(lock), Call::MutexUnlock)),
            // `spin_lock_irqsave()` turns interrupts off and takes the lock in one event.
            Event::SpinLock { lock, irq } => self.spin(index, Class::of(lock), irq),
            Event::SpinUnlock { lock, irq, .. } => self.spin_unlock(index, Class::of(lock), irq),
            Event::LockExt { lock, shared, attempt } => self.ext(index, lock, shared, attempt),
            Event::UnlockExt { lock } => self.ext_unlock(index, lock),
            Event::Wait { lock } => self.wait(index, Class::of(lock)),
            Event::WaitExt { lock, shared } => self.wait_ext(index, lock, shared),

            Event::Kzalloc { gfp, .. } => self.might_alloc(index, Call::Kzalloc, gfp),
            Event::Vmalloc { gfp, .. } => self.might_alloc(index, Call::Vmalloc, gfp),
            Event::PageAlloc { gfp, .. } => self.might_alloc(index, Call::AllocPages, gfp),
            Event::VmAreas { gfp, .. } => self.might_alloc(index, Call::GetVmAreas, gfp),
            Event::PageTable { gfp, .. } => self.might_alloc(index, Call::PageTable, gfp),
            // A charge reclaims in its memcg, without the maps of global reclaim.
            Event::Charge { .. } => {}

            Event::ScopeSave { scope, .. } => self.context_mut().scope(scope, true),
            Event::ScopeRestore { scope, old } => self.context_mut().scope(scope, old),
            Event::Irqs { off: true } => self.context_mut().irqs_off = true,
            Event::Irqs { off: false } => self.irqs_on(self.place(index, Call::Irqs)),
            Event::Preempt { off } => self.preempt(off),
            Event::Interrupt { hard, enter: true } => self.context_mut().enter(hard),
            Event::Interrupt { hard, enter: false } => self.context_mut().leave(hard),
            // A sleeping call in atomic context is an event of its own.
            Event::CondResched => {}

            // The cursor knows which context runs now; the checks of the last allocation no longer hold there.
            Event::Switch { .. } => self.context_runs(),
            Event::OpBegin { .. } => self.changes += 1,
            Event::OpEnd { .. } => self.op_end(index),
            Event::WorkBegin => self.work_begin(index),
            Event::WorkEnd => self.work_end(),
            Event::Boot { .. } | Event::State { .. } | Event::Stopped { .. } => {}

            // What shrinkers take are events of their own between these two.
            Event::ReclaimBegin { gfp, kswapd } => self.reclaim_begin(index, gfp, kswapd),
            Event::ReclaimEnd { .. } => self.reclaim_end(),
            Event::ShrinkBegin { .. } | Event::ShrinkEnd { .. } | Event::WakeKswapd => {}
            Event::Retry { .. } | Event::OomKill { .. } | Event::NoMemory { .. } => {}

            Event::ScheduleWork { queued } => {
                // Work that is pending already wakes no worker, so its locks are not taken.
                if queued {
                    self.schedule_work(index);
                }
            }
            Event::Map { .. } | Event::Unmap { .. } | Event::FlushCache { .. } | Event::FlushTlb { .. } => {}
            Event::Zero { .. } | Event::MemcgStat { .. } => {}

            // The World checks these by itself, since it knows the preempt count; here they only become reports.
            Event::SleepInAtomic { irqs_off } => self.report_sleep(self.place(index, Call::Sleep), irqs_off),
            Event::LockFreed { lock } => self.memory_freed(index, Class::of(lock)),
            Event::LockMisuse { lock, unlock } => self.misuse(index, Class::of(lock), unlock),
            Event::ContextLeak { held, .. } => {
                if held > 0 {
                    self.report_held(self.place(index, Call::OpEnd));
                }
            }
            Event::BadPageFree { .. } | Event::PageFreedMapped { .. } | Event::StaleTranslation { .. } => {}
            Event::MapOverPresent { .. } | Event::Fault { .. } | Event::BadKvfree { .. } | Event::Overrun { .. } => {}
            events!(releases | traces) => {}
        }
        if ends {
            // Now the op or the work ends, and what it interrupted runs again.
            self.cursor.advance_at(index, event);
            self.context_runs();
        }
    }

    /// Forgets the last program, and feeds all events of one, numbered from 0.
    ///
    /// This is the whole use of an engine for a log that is complete; runs feed each event as it happens.
    pub fn run(&mut self, events: &[Event]) {
        self.reset();
        for (index, event) in events.iter().enumerate() {
            self.feed(index as u32, event);
        }
    }

    fn preempt(&mut self, off: bool) {
        let depth = &mut self.context_mut().preempt;
        // More enables than disables are a defect of the program, not of lock order.
        *depth = if off { *depth + 1 } else { depth.saturating_sub(1) };
    }

    /// The running op returns: the tenant must have released all its locks.
    ///
    /// Locks that were held when it began belong to the op that it interrupts.
    fn op_end(&mut self, index: u32) {
        let (context, began) = (self.context(), self.cursor.began());
        if context.holds != 0 && context.held().iter().any(|h| h.class.is_tenants() && h.place.index > began) {
            self.report_held(self.place(index, Call::OpEnd));
        }
    }

    /// A mutex is taken, or a wait for it was ended by a signal.
    ///
    /// In both cases the task waited for it, so its order is checked; it is held in the first only.
    fn mutex(&mut self, index: u32, class: Class, taken: bool) {
        self.learn(class, Wait::Sleep);
        let lock = self.lock(self.place(index, Call::MutexLock), class, Read::Exclusive);
        self.examine(&lock, true);
        if taken {
            self.hold(lock);
        }
    }

    fn unlock(&mut self, index: u32, class: Class, call: Call) -> Option<Held> {
        let gone = self.put(class);
        if gone.is_none() {
            self.report_unlock(self.place(index, call), class);
        }
        gone
    }

    fn spin(&mut self, index: u32, class: Class, irq: Irq) {
        self.learn(class, Wait::Config);
        // Reports name the function that the tenant called, as a stack of the kernel would.
        let call = match irq {
            Irq::Keep => Call::SpinLock,
            Irq::Off => Call::SpinLockIrq,
            Irq::Save => Call::SpinLockIrqsave,
        };
        let lock = self.lock(self.place(index, call), class, Read::Exclusive);
        // Interrupts go off before the lock is taken, so that it counts as taken with interrupts off.
        self.context_mut().irqs_off |= irq != Irq::Keep;
        self.take(lock);
    }

    fn spin_unlock(&mut self, index: u32, class: Class, irq: Irq) {
        let Some(gone) = self.unlock(index, class, Call::SpinUnlock) else { return };
        // `spin_unlock_irq()` turns interrupts on whatever they were.
        if irq == Irq::Off || irq == Irq::Save && !gone.irqs_before {
            self.irqs_on(self.place(index, Call::SpinUnlock));
        }
    }

    /// The lock was found taken. Its order is checked now, before the task has it: in a deadlock it never gets it, and
    /// that is what the check is to report.
    fn wait(&mut self, index: u32, class: Class) {
        let mutex = self.waits[class.at()] == Wait::Sleep.number(self.top > Wait::max(false));
        let call = if mutex { Call::MutexLock } else { Call::SpinLock };
        let lock = self.lock(self.place(index, call), class, Read::Exclusive);
        // How interrupts will be under a spinlock is not known yet.
        self.examine(&lock, mutex);
    }

    fn ext(&mut self, index: u32, lock: Ext, shared: bool, attempt: bool) {
        let call = if attempt { Call::Trylock } else { Call::Lock };
        let mut held = self.lock(self.place(index, call), Class::of_ext(lock), reader(shared));
        (held.trylock, held.through) = (attempt, attempt || held.through);
        self.context_mut().irqs_off |= keeps_irqs_off(lock);
        self.take(held);
    }

    fn ext_unlock(&mut self, index: u32, lock: Ext) {
        // A lock that was not held restores no interrupt state either.
        let Some(gone) = self.unlock(index, Class::of_ext(lock), Call::Unlock) else { return };
        if keeps_irqs_off(lock) && !gone.irqs_before {
            self.irqs_on(self.place(index, Call::Unlock));
        }
    }

    fn wait_ext(&mut self, index: u32, lock: Ext, shared: bool) {
        let held = self.lock(self.place(index, Call::Lock), Class::of_ext(lock), reader(shared));
        self.examine(&held, !keeps_irqs_off(lock));
    }

    fn misuse(&mut self, index: u32, class: Class, unlock: bool) {
        if unlock {
            return self.report_unlock(self.place(index, Call::Unlock), class);
        }
        let lock = self.lock(self.place(index, Call::Lock), class, Read::Exclusive);
        self.examine(&lock, false);
    }

    /// Queueing work wakes a worker: `__queue_work()`, `try_to_wake_up()`, each raw lock inside the one before.
    ///
    /// A lock that the scheduler takes must therefore not be held around it, nor one under which the scheduler runs.
    fn schedule_work(&mut self, index: u32) {
        let place = self.place(index, Call::ScheduleWork);
        // All three are only ever taken with interrupts off, and the caller's state comes back at the end.
        let before = std::mem::replace(&mut self.context_mut().irqs_off, true);
        for class in [Class::POOL, Class::PI, Class::RQ] {
            let lock = self.lock(place, class, Read::Exclusive);
            self.take(lock);
        }
        for class in [Class::RQ, Class::PI, Class::POOL] {
            self.put(class);
        }
        self.context_mut().irqs_off = before;
    }

    /// `process_one_work()`: the worker runs from here on, and starts with nothing held and without gfp scopes.
    ///
    /// It holds two lockdep maps while the work runs. A task that flushes the work passes them, which shows a deadlock.
    fn work_begin(&mut self, index: u32) {
        self.context_runs();
        self.context_mut().clear();
        let place = self.place(index, Call::Work);
        for class in [Class::WQ_EVENTS, Class::BALANCE_WORK] {
            let lock = self.lock(place, class, Read::Exclusive);
            self.take(lock);
        }
    }

    fn work_end(&mut self) {
        self.put(Class::BALANCE_WORK);
        self.put(Class::WQ_EVENTS);
    }
}

/// How an external lock is taken. Readers wait for a writer that waits: a freeze that has begun keeps new IO out, also
/// that of a task which has IO in flight.
fn reader(shared: bool) -> Read {
    if shared { Read::Shared } else { Read::Exclusive }
}

/// Locks that are only ever taken with interrupts off. Their events do not say so, since no caller takes them
/// otherwise.
fn keeps_irqs_off(lock: Ext) -> bool {
    matches!(lock, Ext::IrqSpin | Ext::Rq)
}
