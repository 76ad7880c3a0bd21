// SPDX-License-Identifier: GPL-2.0-only
//! The pseudo locks of reclaim: an allocation passes them, reclaim holds them.

use super::class::Class;
use super::context::Held;
use super::engine::Lockdep;
use super::matrix::Read;
use super::place::{Call, Place};
use percuss_kernel::gfp::Gfp;

impl Lockdep {
    /// `might_alloc()`: what the allocation may have to wait for.
    #[inline]
    pub(super) fn might_alloc(&mut self, index: u32, call: Call, gfp: Gfp) {
        let mask = self.context().reclaim_mask(gfp, self.cursor.reclaims());
        let mask = mask & (Gfp::DIRECT_RECLAIM | Gfp::IO | Gfp::FS);
        if !mask.intersects(Gfp::DIRECT_RECLAIM) || self.passed == (self.changes, mask.0) {
            return;
        }
        self.pass_reclaim(self.place(index, call), mask);
        self.passed = (self.changes, mask.0);
    }

    /// `fs_reclaim_acquire()` and `fs_reclaim_release()`, and the same for IO.
    fn pass_reclaim(&mut self, place: Place, mask: Gfp) {
        if mask.intersects(Gfp::FS) {
            let fs = self.lock(place, Class::FS_RECLAIM, Read::Exclusive);
            self.take(fs);
            self.pass(place, Class::MMU_NOTIFIER);
            self.put(Class::FS_RECLAIM);
        } else {
            self.pass(place, Class::MMU_NOTIFIER);
        }
        if mask.intersects(Gfp::IO) {
            self.pass(place, Class::IO_RECLAIM);
        }
    }

    /// Takes a lock and lets it go.
    #[inline]
    fn pass(&mut self, place: Place, class: Class) {
        let lock = self.lock(place, class, Read::Exclusive);
        self.examine(&lock, true);
    }

    /// Reclaim holds its maps while it runs: whatever it takes may be waited for by who allocates.
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
            // The other map lies below and is as near as this one.
            self.take(Held { through: gfp.intersects(Gfp::FS), ..io });
        }
        self.changes += 1;
    }

    pub(super) fn reclaim_end(&mut self) {
        self.put(Class::IO_RECLAIM);
        self.put(Class::FS_RECLAIM);
        self.changes += 1;
    }
}
