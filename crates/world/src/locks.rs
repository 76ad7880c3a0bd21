// SPDX-License-Identifier: GPL-2.0-only
//! Mutexes and spinlocks.

use super::core::{LOCKS, World};
use percuss_kernel::event::{Event, Stop};
use percuss_kernel::{Irq, Lock};

/// What a lock call has to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Take {
    /// The lock is the caller's.
    Taken,
    /// Somebody else has it.
    Wait,
    /// A fatal signal ended the wait.
    Killed,
    /// The caller has it already: it would wait for ever.
    Recursive,
}

fn slot(lock: Lock) -> usize {
    match lock {
        Lock::Pcpu => 0,
        Lock::AllocMutex => 1,
        Lock::Other(n) => (2 + n as usize).min(LOCKS - 1),
    }
}

impl World {
    /// Notes a sleeping call in a context that must not sleep.
    pub(super) fn may_sleep(&mut self) {
        if self.tasks[self.current].atomic() {
            let irqs_off = self.tasks[self.current].irqs_off;
            self.emit(Event::SleepInAtomic { irqs_off });
        }
    }

    /// One attempt at a mutex.
    pub(super) fn try_mutex(&mut self, lock: Lock, killable: bool) -> Take {
        match self.owner[slot(lock)] {
            None => {
                self.owner[slot(lock)] = Some(self.current as u8);
                self.task().took(lock);
                self.waits[self.current] = None;
                self.pressure.took(self.current, lock);
                self.emit(Event::MutexLock { lock, killable, taken: true });
                Take::Taken
            }
            Some(o) if o as usize == self.current => {
                self.emit(Event::LockMisuse { lock, unlock: false });
                Take::Recursive
            }
            Some(_) if killable && self.tasks[self.current].signal => {
                self.waits[self.current] = None;
                self.emit(Event::MutexLock { lock, killable, taken: false });
                Take::Killed
            }
            Some(_) => {
                self.note_wait(lock);
                Take::Wait
            }
        }
    }

    /// The running task has to wait; said once, however often it looks again.
    fn note_wait(&mut self, lock: Lock) {
        if self.waits[self.current].replace(lock) != Some(lock) {
            self.pressure.waits(self.current, lock);
            self.emit(Event::Wait { lock });
        }
    }

    pub(super) fn release_mutex(&mut self, lock: Lock) {
        if self.task().released(lock) {
            self.owner[slot(lock)] = None;
            self.released = true;
            self.pressure.released(lock);
            self.emit(Event::MutexUnlock { lock });
        } else {
            self.emit(Event::LockMisuse { lock, unlock: true });
        }
    }

    /// One attempt at a spinlock; `Ok` has the irq state to restore.
    pub(super) fn try_spin(&mut self, lock: Lock, irq: Irq) -> Result<u64, Take> {
        match self.owner[slot(lock)] {
            None => {
                self.owner[slot(lock)] = Some(self.current as u8);
                self.waits[self.current] = None;
                let task = self.task();
                task.took(lock);
                task.spinning += 1;
                let flags = task.irqs_off as u64;
                task.irqs_off |= irq != Irq::Keep;
                self.emit(Event::SpinLock { lock, irq });
                Ok(flags)
            }
            Some(o) if o as usize == self.current => {
                self.emit(Event::LockMisuse { lock, unlock: false });
                Err(Take::Recursive)
            }
            Some(_) => {
                self.note_wait(lock);
                Err(Take::Wait)
            }
        }
    }

    pub(super) fn release_spin(&mut self, lock: Lock, irq: Irq, flags: u64, digest: u64) {
        let task = self.task();
        if !task.released(lock) {
            self.emit(Event::LockMisuse { lock, unlock: true });
            return;
        }
        task.spinning -= 1;
        match irq {
            Irq::Keep => {}
            Irq::Off => task.irqs_off = false,
            Irq::Save => task.irqs_off = flags != 0,
        }
        self.owner[slot(lock)] = None;
        self.released = true;
        self.emit(Event::SpinUnlock { lock, irq, digest });
    }

    /// The task that holds `lock`, by index.
    pub fn owner(&self, lock: Lock) -> Option<usize> {
        self.owner[slot(lock)].map(usize::from)
    }

    /// Notes that the program is over.
    pub(super) fn end(&mut self, reason: Stop) {
        if self.stopped.is_none() {
            self.stopped = Some(reason);
            self.emit(Event::Stopped { reason });
        }
    }
}
