// SPDX-License-Identifier: GPL-2.0-only
//! Locks in allocated memory. Each has a number from its first use until its memory is freed, so that the log names it
//! alike for tenants that put it at different addresses.

use crate::state::locks::{NUMBERS, NamedLocks};
use crate::world::World;
use percuss_kernel::event::Event;
use percuss_kernel::{Addr, Lock, STATIC_OTHERS};

impl World {
    /// The number of the lock at `addr` among those in allocated memory. A lock without one gets the first that is
    /// free, and the last one when none is: two locks may then look like one, but the log stays readable.
    pub fn name_lock(&mut self, addr: Addr) -> u8 {
        let names = &mut self.run.named.0;
        // The table has eight rows, so looking through it costs less than a map would.
        let known = names.iter().position(|a| *a == addr);
        let number = known.or_else(|| names.iter().position(|a| *a == 0)).unwrap_or(NUMBERS - 1);
        names[number] = addr;
        number as u8
    }

    /// `debug_check_no_locks_freed()` for memory that is about to be freed: gives the numbers of its locks back, and
    /// logs those that the running task holds.
    pub(crate) fn locks_freed(&mut self, start: Addr, len: u64) {
        for number in 0..NUMBERS {
            if !(start..start + len).contains(&self.run.named.0[number]) {
                continue;
            }
            let lock = Lock::Other(STATIC_OTHERS + number as u8);
            // A held lock keeps its number: its holder still unlocks it by that number, and a new lock there must not
            // look held.
            let held = self.is_held(lock);
            self.run.named.0[number] = if held { NamedLocks::GONE } else { 0 };
            // The kernel's check looks at the locks of the current task only, so a lock that another task holds is not
            // logged.
            if self.owner(lock) == Some(self.run.current) {
                self.emit(Event::LockFreed { lock });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Host;
    use percuss_kernel::gfp::Gfp;
    use percuss_kernel::{Irq, Kernel};

    const FIRST: Lock = Lock::Other(STATIC_OTHERS);

    fn freed(host: &Host) -> Vec<Lock> {
        let lock = |e: &Event| if let Event::LockFreed { lock } = e { Some(*lock) } else { None };
        host.world().events().iter().filter_map(lock).collect()
    }

    #[test]
    fn a_lock_goes_with_its_memory() {
        let host = Host::new(World::new(0).unwrap());
        let addr = host.kzalloc(192, Gfp::KERNEL);
        assert_eq!(host.world_mut().name_lock(addr + 64), 0);
        assert_eq!(host.world_mut().name_lock(addr + 128), 1);
        assert_eq!(host.world_mut().name_lock(addr + 64), 0, "initialised again it is the same lock");
        host.mutex_lock(FIRST);
        host.mutex_unlock(FIRST);
        host.kvfree(addr);
        assert_eq!(freed(&host), []);
        assert_eq!(host.world_mut().name_lock(addr + 128), 0, "both numbers are free again");
    }

    #[test]
    fn freeing_a_held_lock_shows_before_the_free() {
        let host = Host::new(World::new(0).unwrap());
        let [one, other] = [64, 64].map(|size| host.kzalloc(size, Gfp::KERNEL));
        assert_eq!(host.world_mut().name_lock(one + 63), 0);
        host.spin_lock(FIRST, Irq::Save);
        host.kvfree(other);
        assert_eq!(freed(&host), []);
        host.kvfree(one);
        assert_eq!(freed(&host), [FIRST]);
        let tail = host.world().events().iter().rev().take(2).copied().collect::<Vec<_>>();
        assert_eq!(tail, [Event::Kvfree { addr: one }, Event::LockFreed { lock: FIRST }]);
        // The next lock in that memory is another one.
        assert_eq!(host.world_mut().name_lock(one + 63), 1);
    }

    #[test]
    fn a_lock_that_another_task_holds_is_not_the_callers_fault() {
        let host = Host::new(World::new(0).unwrap());
        let addr = host.kzalloc(64, Gfp::KERNEL);
        host.world_mut().name_lock(addr);
        host.mutex_lock(FIRST);
        host.world_mut().switch_to(1);
        host.kvfree(addr);
        assert_eq!(freed(&host), []);
    }
}
