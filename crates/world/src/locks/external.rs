// SPDX-License-Identifier: GPL-2.0-only
//! External locks: those of other subsystems, which callers hold around calls and which reclaim or the scheduler take.
//! They make visible what the allocator must not do while they are held.

use crate::host::Host;
use crate::state::locks::Take;
use crate::tasks::fiber::Pause;
use crate::world::World;
use percuss_kernel::event::{Event, Ext};

impl World {
    /// Tries to take an external lock; `attempt` marks a trylock in the log. It never waits: the caller pauses its task
    /// after [`Take::Wait`] and tries again.
    pub(crate) fn try_ext(&mut self, lock: Ext, shared: bool, attempt: bool) -> Take {
        let (me, i) = (self.run.current, lock as usize);
        // Readers other than the task itself, which keep an exclusive holder out.
        let others = self.run.ext.shared[i] & !(1 << me);
        // Taking it once more is a deadlock even for a reader, as soon as a writer waits between the two.
        let mine = self.run.ext.exclusive[i] == Some(me as u8) || self.run.ext.shared[i] >> me & 1 == 1;
        // A shared lock only has to respect waiting writers here, because an exclusive holder is checked below.
        let open = if shared { self.run.ext.wanted[i] & !(1 << me) == 0 } else { others == 0 };
        let free = self.run.ext.exclusive[i].is_none() && open && !mine;
        if !free {
            return if mine { Take::Recursive } else { Take::Wait };
        }
        if shared {
            self.run.ext.shared[i] |= 1 << me;
        } else {
            self.run.ext.exclusive[i] = Some(me as u8);
        }
        let task = self.task();
        if lock.spins() {
            task.ext_spinning += 1;
        }
        if lock.irqs_off() {
            // Locks may be released in any order, so each keeps its own state to restore.
            task.irqs_before.set(lock, task.irqs_off);
            task.irqs_off = true;
        }
        self.emit(Event::LockExt { lock, shared, attempt });
        Take::Taken
    }

    /// Notes whether the running task waits for an external lock, which decides whether new readers get in.
    pub(crate) fn waits_for_ext(&mut self, lock: Ext, shared: bool, waits: bool) {
        let me = self.run.current;
        self.run.waits_ext[me] = waits.then_some(lock);
        // Cleared in any case: a task waits for one lock at a time.
        self.run.ext.wanted[lock as usize] &= !(1 << me);
        self.run.ext.wanted[lock as usize] |= u32::from(waits && !shared) << me;
    }

    /// Releases an external lock; false when the running task does not hold it, and then nothing happens. A program may
    /// contain an unlock whose lock another task took, which is no fault of the allocator.
    pub(crate) fn release_ext(&mut self, lock: Ext) -> bool {
        let (me, i) = (self.run.current, lock as usize);
        if self.run.ext.exclusive[i] == Some(me as u8) {
            self.run.ext.exclusive[i] = None;
        } else if self.run.ext.shared[i] >> me & 1 == 1 {
            self.run.ext.shared[i] &= !(1 << me);
        } else {
            return false;
        }
        let task = self.task();
        if lock.spins() {
            task.ext_spinning -= 1;
        }
        // As `spin_unlock_irqrestore()` does: interrupts stay off if they were off before the lock was taken.
        if lock.irqs_off() {
            task.irqs_off = task.irqs_before.get(lock);
        }
        // The scheduler lets waiting tasks try again.
        self.run.released = true;
        self.emit(Event::UnlockExt { lock });
        true
    }
}

impl Host {
    /// Takes an external lock, and waits for it if necessary. A task that holds the lock already waits for itself: that
    /// is a deadlock of the kernel, too, and the scheduler reports it once no task can run.
    pub fn lock_ext(&self, lock: Ext, shared: bool) {
        self.point();
        let mut waited = false;
        loop {
            let take = self.world_mut().try_ext(lock, shared, false);
            match take {
                Take::Taken => return,
                _ if !waited => {
                    // Once for each wait, as in note_wait(): the number of attempts depends on the schedule.
                    waited = true;
                    self.world_mut().push_event(Event::WaitExt { lock, shared });
                }
                _ => {}
            }
            self.world_mut().waits_for_ext(lock, shared, true);
            // Not a statement earlier: a borrow of the World that lives across the pause makes the next task panic.
            self.pause(Pause::Blocked);
            self.world_mut().waits_for_ext(lock, shared, false);
        }
    }

    pub fn unlock_ext(&self, lock: Ext) {
        let released = self.world_mut().release_ext(lock);
        if released {
            self.point();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiting_writer_keeps_new_readers_out() {
        let mut world = World::new(0).unwrap();
        let lock = Ext::Freeze;
        assert_eq!(world.try_ext(lock, true, false), Take::Taken);
        world.switch_to(1);
        assert_eq!(world.try_ext(lock, true, false), Take::Taken, "readers share the lock");
        world.release_ext(lock);
        assert_eq!(world.try_ext(lock, false, false), Take::Wait);
        world.waits_for_ext(lock, false, true);
        world.switch_to(2);
        assert_eq!(world.try_ext(lock, true, false), Take::Wait, "a freeze has begun");
        world.waits_for_ext(lock, true, true);
        world.switch_to(1);
        world.waits_for_ext(lock, false, false);
        world.switch_to(2);
        world.waits_for_ext(lock, true, false);
        assert_eq!(world.try_ext(lock, true, false), Take::Taken, "a waiting reader keeps no other reader out");
    }
}
