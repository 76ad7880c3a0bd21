// SPDX-License-Identifier: GPL-2.0-only
//! External locks: those that callers hold around calls, and that reclaim or the scheduler take.

use super::core::World;
use super::locks::Take;
use percuss_kernel::event::{Event, Ext};

/// Locks of [`Ext`].
const LOCKS: usize = Ext::ALL.len();

/// Who holds which external lock, by index of the task's context.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ExtLocks {
    exclusive: [Option<u8>; LOCKS],
    /// Contexts that hold it shared.
    shared: [u32; LOCKS],
    /// Contexts that wait for it exclusively: they keep new readers out, as a freeze that has begun does.
    wanted: [u32; LOCKS],
}

impl ExtLocks {
    /// The context that holds `lock`, one of them when it is held shared.
    pub(super) fn holder(&self, lock: Ext) -> Option<usize> {
        let shared = self.shared[lock as usize];
        let exclusive = self.exclusive[lock as usize].map(usize::from);
        exclusive.or((shared != 0).then(|| shared.trailing_zeros() as usize))
    }
}

impl World {
    /// One attempt at an external lock.
    pub(super) fn try_ext(&mut self, lock: Ext, shared: bool, attempt: bool) -> Take {
        let (me, i) = (self.current, lock as usize);
        let others = self.ext.shared[i] & !(1 << me);
        let mine = self.ext.exclusive[i] == Some(me as u8) || self.ext.shared[i] >> me & 1 == 1;
        let open = if shared { self.ext.wanted[i] & !(1 << me) == 0 } else { others == 0 };
        let free = self.ext.exclusive[i].is_none() && open && !mine;
        if !free {
            return if mine { Take::Recursive } else { Take::Wait };
        }
        if shared {
            self.ext.shared[i] |= 1 << me;
        } else {
            self.ext.exclusive[i] = Some(me as u8);
        }
        let task = self.task();
        if lock.spins() {
            task.ext_spinning += 1;
        }
        if lock.irqs_off() {
            task.irqs_before.set(lock, task.irqs_off);
            task.irqs_off = true;
        }
        self.emit(Event::LockExt { lock, shared, attempt });
        Take::Taken
    }

    /// The running task waits for an external lock from here on, or no longer.
    pub(super) fn waits_for_ext(&mut self, lock: Ext, shared: bool, waits: bool) {
        let me = self.current;
        self.waits_ext[me] = waits.then_some(lock);
        self.ext.wanted[lock as usize] &= !(1 << me);
        self.ext.wanted[lock as usize] |= u32::from(waits && !shared) << me;
    }

    /// Releases an external lock; nothing happens when the running task does not hold it; false then.
    pub(super) fn release_ext(&mut self, lock: Ext) -> bool {
        let (me, i) = (self.current, lock as usize);
        if self.ext.exclusive[i] == Some(me as u8) {
            self.ext.exclusive[i] = None;
        } else if self.ext.shared[i] >> me & 1 == 1 {
            self.ext.shared[i] &= !(1 << me);
        } else {
            return false;
        }
        let task = self.task();
        if lock.spins() {
            task.ext_spinning -= 1;
        }
        if lock.irqs_off() {
            task.irqs_off = task.irqs_before.get(lock);
        }
        self.released = true;
        self.emit(Event::UnlockExt { lock });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_to_write_keeps_new_readers_out() {
        let mut world = World::new(0).unwrap();
        let lock = Ext::Freeze;
        assert_eq!(world.try_ext(lock, true, false), Take::Taken);
        world.switch_to(1);
        assert_eq!(world.try_ext(lock, true, false), Take::Taken, "readers let each other in");
        world.release_ext(lock);
        assert_eq!(world.try_ext(lock, false, false), Take::Wait);
        world.waits_for_ext(lock, false, true);
        world.switch_to(2);
        assert_eq!(world.try_ext(lock, true, false), Take::Wait, "as long as no freeze has begun");
        world.waits_for_ext(lock, true, true);
        world.switch_to(1);
        world.waits_for_ext(lock, false, false);
        world.switch_to(2);
        world.waits_for_ext(lock, true, false);
        assert_eq!(world.try_ext(lock, true, false), Take::Taken, "a reader that waits keeps nobody out");
    }
}
