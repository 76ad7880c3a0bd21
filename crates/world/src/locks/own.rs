// SPDX-License-Identifier: GPL-2.0-only
//! Mutexes and spinlocks of the allocator.
//!
//! Each call here is one attempt that never waits. The Host pauses the task after a failed attempt and tries again once
//! a lock was released.

use crate::state::locks::{Take, slot};
use crate::world::World;
use percuss_kernel::event::Event;
use percuss_kernel::{Irq, Lock};

impl World {
    /// `might_sleep()`: logs a call that may sleep in a context where sleeping is forbidden.
    #[inline]
    pub(crate) fn may_sleep(&mut self) {
        if self.run.tasks[self.run.current].atomic() {
            let irqs_off = self.run.tasks[self.run.current].irqs_off;
            self.emit(Event::SleepInAtomic { irqs_off });
        }
    }

    /// Tries to take a mutex. A killable wait also ends with a fatal signal, but a free mutex is taken in spite of one,
    /// as `mutex_lock_killable()` does.
    pub(crate) fn try_mutex(&mut self, lock: Lock, killable: bool) -> Take {
        match self.run.owner[slot(lock)] {
            None => {
                self.run.owner[slot(lock)] = Some(self.run.current as u8);
                self.task().took(lock);
                self.run.waits[self.run.current] = None;
                self.run.pressure.took(self.run.current, lock);
                self.emit(Event::MutexLock { lock, killable, taken: true });
                Take::Taken
            }
            // Before the wait: a task that waited for itself would look like one that waits for another.
            Some(o) if o as usize == self.run.current => {
                self.emit(Event::LockMisuse { lock, unlock: false });
                Take::Recursive
            }
            // Only after the free case: the signal ends a wait, it does not keep a task from taking a free mutex.
            Some(_) if killable && self.run.tasks[self.run.current].signal => {
                self.run.waits[self.run.current] = None;
                self.emit(Event::MutexLock { lock, killable, taken: false });
                Take::Killed
            }
            Some(_) => {
                self.note_wait(lock);
                Take::Wait
            }
        }
    }

    /// Notes that the running task waits. It is logged once for each wait, however often the task tries again, because
    /// the number of attempts depends on the schedule.
    fn note_wait(&mut self, lock: Lock) {
        if self.run.waits[self.run.current].replace(lock) != Some(lock) {
            self.run.pressure.waits(self.run.current, lock);
            self.emit(Event::Wait { lock });
        }
    }

    pub(crate) fn release_mutex(&mut self, lock: Lock) {
        // With CONFIG_DEBUG_MUTEXES, the kernel warns of an unlock by another task as well.
        if self.task().released(lock) {
            self.run.owner[slot(lock)] = None;
            self.run.released = true;
            self.run.pressure.released(lock);
            self.emit(Event::MutexUnlock { lock });
        } else {
            self.emit(Event::LockMisuse { lock, unlock: true });
        }
    }

    /// Tries to take a spinlock. `Ok` has the interrupt state that the unlock restores. A task that spins is paused
    /// like one that sleeps, since on one thread the holder could not go on otherwise.
    #[inline]
    pub(crate) fn try_spin(&mut self, lock: Lock, irq: Irq) -> Result<u64, Take> {
        match self.run.owner[slot(lock)] {
            None => {
                self.run.owner[slot(lock)] = Some(self.run.current as u8);
                self.run.waits[self.run.current] = None;
                let task = self.task();
                task.took(lock);
                task.spinning += 1;
                // Read before interrupts are turned off, or the unlock would leave them off for ever.
                let flags = task.irqs_off as u64;
                task.irqs_off |= irq != Irq::Keep;
                self.emit(Event::SpinLock { lock, irq });
                Ok(flags)
            }
            Some(o) if o as usize == self.run.current => {
                self.emit(Event::LockMisuse { lock, unlock: false });
                Err(Take::Recursive)
            }
            Some(_) => {
                self.note_wait(lock);
                Err(Take::Wait)
            }
        }
    }

    #[inline]
    pub(crate) fn release_spin(&mut self, lock: Lock, irq: Irq, flags: u64, digest: u64) {
        let task = self.task();
        // Nothing is changed for a lock that the task does not hold: its real holder must be able to go on.
        if !task.released(lock) {
            self.emit(Event::LockMisuse { lock, unlock: true });
            return;
        }
        task.spinning -= 1;
        match irq {
            Irq::Keep => {}
            // `spin_unlock_irq()` turns interrupts on whatever they were before; a caller that had them off finds them
            // on, which the check at the end of the op reports.
            Irq::Off => task.irqs_off = false,
            Irq::Save => task.irqs_off = flags != 0,
        }
        self.run.owner[slot(lock)] = None;
        self.run.released = true;
        self.emit(Event::SpinUnlock { lock, irq, digest });
    }

    pub fn is_held(&self, lock: Lock) -> bool {
        self.owner(lock).is_some()
    }

    pub fn owner(&self, lock: Lock) -> Option<usize> {
        self.run.owner[slot(lock)].map(usize::from)
    }
}
