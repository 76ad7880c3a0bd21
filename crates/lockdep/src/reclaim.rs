// SPDX-License-Identifier: GPL-2.0-only
//! The pseudo locks of reclaim. An allocation takes and releases them, reclaim holds them while it runs.
//!
//! So every allocation that may reclaim makes dependencies from the locks held to reclaim, and every lock taken inside
//! reclaim one from reclaim; a deadlock shows as a cycle even if no memory ever ran short.

use super::class::Class;
use super::context::Held;
use super::engine::Lockdep;
use super::matrix::Read;
use super::place::{Call, Place};
use percuss_kernel::gfp::Gfp;

impl Lockdep {
    /// Takes note of what an allocation may have to wait for (`might_alloc()`).
    ///
    /// Called for every allocation, whether or not memory is short: that is how a deadlock shows without a run of it.
    #[inline]
    pub(super) fn might_alloc(&mut self, index: u32, call: Call, gfp: Gfp) {
        // The scopes of the task take `__GFP_FS` or `__GFP_IO` out of the mask before anything is taken.
        let mask = self.context().reclaim_mask(gfp, self.cursor.reclaims());
        let mask = mask & (Gfp::DIRECT_RECLAIM | Gfp::IO | Gfp::FS);
        // The same mask in the same state was checked already; most allocations of a run end here.
        if !mask.intersects(Gfp::DIRECT_RECLAIM) || self.passed == (self.changes, mask.0) {
            return;
        }
        self.pass_reclaim(self.place(index, call), mask);
        self.passed = (self.changes, mask.0);
    }

    /// Passes the maps that the mask allows to wait for: `fs_reclaim_acquire()` and `fs_reclaim_release()`, and the
    /// same for IO.
    fn pass_reclaim(&mut self, place: Place, mask: Gfp) {
        if mask.intersects(Gfp::FS) {
            let fs = self.lock(place, Class::FS_RECLAIM, Read::Exclusive);
            self.take(fs);
            // Inside of `fs_reclaim`, as in the kernel: a notifier that allocates with `__GFP_FS` closes a cycle.
            self.pass(place, Class::MMU_NOTIFIER);
            self.put(Class::FS_RECLAIM);
        } else {
            self.pass(place, Class::MMU_NOTIFIER);
        }
        if mask.intersects(Gfp::IO) {
            self.pass(place, Class::IO_RECLAIM);
        }
    }

    /// Takes a lock and releases it at once.
    ///
    /// It need not be pushed on the stack for that, the checks suffice.
    #[inline]
    fn pass(&mut self, place: Place, class: Class) {
        // `settled`: nothing changes the interrupt state between taking and releasing it.
        let lock = self.lock(place, class, Read::Exclusive);
        self.examine(&lock, true);
    }

    /// Reclaim starts: it holds its maps while it runs, since allocating tasks wait for whatever it takes.
    ///
    /// This is `__perform_reclaim()` in a task, and `balance_pgdat()` in kswapd, which unmaps too but passes no
    /// notifier.
    pub(super) fn reclaim_begin(&mut self, index: u32, gfp: Gfp, kswapd: bool) {
        let place = self.place(index, if kswapd { Call::Kswapd } else { Call::Reclaim });
        if gfp.intersects(Gfp::FS) {
            let fs = self.lock(place, Class::FS_RECLAIM, Read::Exclusive);
            self.take(fs);
        }
        if !kswapd {
            self.pass(place, Class::MMU_NOTIFIER);
        }
        if gfp.intersects(Gfp::IO) {
            let io = self.lock(place, Class::IO_RECLAIM, Read::Exclusive);
            // Both maps count as the nearest lock: what reclaim takes depends on either.
            self.take(Held { through: gfp.intersects(Gfp::FS), ..io });
        }
        // Allocations inside reclaim never reclaim, so those that were checked before count as unchecked.
        self.changes += 1;
    }

    pub(super) fn reclaim_end(&mut self) {
        // A map that the mask left out was not taken; putting it then changes nothing.
        self.put(Class::IO_RECLAIM);
        self.put(Class::FS_RECLAIM);
        self.changes += 1;
    }
}
