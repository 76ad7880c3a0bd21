// SPDX-License-Identifier: GPL-2.0-only
//! gfp scopes around allocations that take no mask, or ignore it.

use super::allocator::Allocator;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Kernel, Lock, Quirk, Scope};

/// The scope in which an allocation that asks for all of GFP_KERNEL gets what `gfp` allows; none when that is all.
pub(super) fn fitting(gfp: Gfp) -> Option<Scope> {
    if !gfp.contains(Gfp::IO) {
        Some(Scope::Noio)
    } else if !gfp.contains(Gfp::FS) {
        Some(Scope::Nofs)
    } else {
        None
    }
}

/// The scope that newer trees' helper picks: a caller that may fail reclaims nothing. A mask with __GFP_FS and without
/// __GFP_IO has none.
fn picked(gfp: Gfp) -> Option<Scope> {
    if !gfp.allows_blocking() || gfp.intersects(Gfp::NORETRY.with(Gfp::RETRY_MAYFAIL)) {
        Some(Scope::Memalloc)
    } else if !gfp.contains(Gfp::IO) && gfp.contains(Gfp::FS) {
        None
    } else {
        fitting(gfp)
    }
}

impl<K: Kernel> Allocator<K> {
    /// The scope in which page tables are made for a caller with this mask. The allocation of page tables takes no
    /// mask, so a scope is the only way to keep it from IO.
    pub(super) fn page_table_scope(&self, gfp: Gfp) -> Option<Scope> {
        match self.quirks() {
            q if q.has(Quirk::NoreclaimScope) => picked(gfp),
            _ => self.scope_b05(fitting(gfp)),
        }
    }

    /// Gets backing memory, under pcpu_alloc_mutex as all trees do. Without that quirk the mutex is dropped meanwhile,
    /// which shows what would not wait for it; it is no allocator one could ship, since two may then populate a page.
    pub(super) fn backing<R>(&self, get: impl FnOnce() -> R) -> R {
        if self.quirks().has(Quirk::BackingUnderMutex) {
            return get();
        }
        self.kernel().mutex_unlock(Lock::AllocMutex);
        let got = get();
        self.kernel().mutex_lock(Lock::AllocMutex);
        got
    }

    pub(super) fn in_scope<R>(&self, scope: Option<Scope>, f: impl FnOnce() -> R) -> R {
        // Scopes nest: the old flags are put back and not cleared, since the caller may be in one itself.
        let old = scope.map(|scope| self.kernel().scope_save(scope));
        let result = f();
        if let (Some(scope), Some(old)) = (scope, old) {
            self.kernel().scope_restore(scope, old);
        }
        result
    }

    /// Does `f`, which creates or populates a chunk, in the scope of a caller with this mask, in trees that have one.
    pub(super) fn in_callers_scope<R>(&self, gfp: Gfp, f: impl FnOnce() -> R) -> R {
        let scope = if self.quirks().has(Quirk::CallerScopes) { fitting(gfp) } else { None };
        self.in_scope(scope, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_forbids_what_the_mask_lacks() {
        let scopes = [Gfp::KERNEL, Gfp::NOFS, Gfp::NOIO, Gfp::NOIO | Gfp::FS, Gfp::KERNEL | Gfp::NORETRY].map(fitting);
        assert_eq!(scopes, [None, Some(Scope::Nofs), Some(Scope::Noio), Some(Scope::Noio), None]);
    }

    #[test]
    fn who_may_fail_reclaims_nothing() {
        let masks = [Gfp::NOWAIT, Gfp::NOIO | Gfp::NORETRY, Gfp::KERNEL | Gfp::RETRY_MAYFAIL];
        assert_eq!(masks.map(picked), [Some(Scope::Memalloc); 3]);
        let masks = [Gfp::KERNEL, Gfp::NOFS, Gfp::NOIO, Gfp::NOIO | Gfp::FS];
        assert_eq!(masks.map(picked), [None, Some(Scope::Nofs), Some(Scope::Noio), None]);
    }
}
