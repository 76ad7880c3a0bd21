// SPDX-License-Identifier: GPL-2.0-only
//! Allocations and reclaim: the three fs_reclaim cases of lib/locking-selftest.c, and the masks.
//!
//! A mask decides which pseudo locks an allocation passes, and scopes of the task change the mask.

use super::{CIRCULAR, Class, Kind, OURS, RECURSIVE, Read, Rig};
use percuss_kernel::event::Event;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Lock, Scope};

fn alloc(gfp: Gfp) -> Event {
    Event::PageAlloc { node: 0, gfp, pfn: None }
}

const MUTEX: Event = Event::MutexLock { lock: Lock::AllocMutex, killable: false, taken: true };
const UNLOCK: Event = Event::MutexUnlock { lock: Lock::AllocMutex };

fn in_reclaim(events: &[Event]) -> Rig {
    let mut rig = Rig::new(&[]);
    rig.engine.acquire(0, Class::FS_RECLAIM, Read::Exclusive);
    rig.feed(events);
    rig.engine.release(100, Class::FS_RECLAIM);
    rig
}

#[test]
fn correct_nesting() {
    in_reclaim(&[alloc(Gfp::NOFS)]).clean();
}

#[test]
fn wrong_nesting() {
    in_reclaim(&[alloc(Gfp::KERNEL)]).finds(&[&format!("{RECURSIVE}: fs_reclaim")]);
}

#[test]
fn protected_nesting() {
    // The scope takes `__GFP_FS` out of the mask, so the allocation is that of the first case.
    let scope = Scope::Nofs;
    let save = Event::ScopeSave { scope, old: false };
    in_reclaim(&[save, alloc(Gfp::KERNEL), Event::ScopeRestore { scope, old: false }]).clean();
}

/// Names of the pseudo locks that an allocation under the mutex makes it depend on, sorted.
fn leads_to(before: &[Event], gfp: Gfp) -> Vec<String> {
    let mut rig = Rig::new(&[]);
    rig.feed(before).feed(&[MUTEX, alloc(gfp), UNLOCK]);
    rig.clean();
    let graph = rig.engine.graph(0, &|_| None);
    graph.edges().filter(|e| e.from == "pcpu_alloc_mutex").map(|e| e.to.into_owned()).collect()
}

const MMU: &str = "mmu_notifier_invalidate_range_start";

#[test]
fn masks() {
    // With `__GFP_FS` the notifier map is taken inside of `fs_reclaim`, so it is no dependency of the mutex.
    assert_eq!(leads_to(&[], Gfp::KERNEL), ["fs_reclaim", "io_reclaim"]);
    assert_eq!(leads_to(&[], Gfp::NOFS), ["io_reclaim", MMU]);
    assert_eq!(leads_to(&[], Gfp::NOIO), [MMU]);
    assert!(leads_to(&[], Gfp::ATOMIC).is_empty());
    assert!(leads_to(&[], Gfp::KERNEL | Gfp::NOLOCKDEP).is_empty());
}

#[test]
fn scopes() {
    let save = |scope| Event::ScopeSave { scope, old: false };
    assert_eq!(leads_to(&[save(Scope::Nofs)], Gfp::KERNEL), ["io_reclaim", MMU]);
    assert_eq!(leads_to(&[save(Scope::Noio)], Gfp::KERNEL), [MMU]);
    assert!(leads_to(&[save(Scope::Memalloc)], Gfp::KERNEL).is_empty());
    let restore = Event::ScopeRestore { scope: Scope::Noio, old: false };
    assert_eq!(leads_to(&[save(Scope::Noio), restore], Gfp::KERNEL), ["fs_reclaim", "io_reclaim"]);
    // A scope is a task's own, and work starts without any.
    assert_eq!(leads_to(&[save(Scope::Noio), Event::Switch { task: 1 }], Gfp::KERNEL), ["fs_reclaim", "io_reclaim"]);
}

#[test]
fn reclaim_that_takes_the_mutex() {
    let mut rig = Rig::new(&[]);
    rig.feed(&[MUTEX, alloc(Gfp::KERNEL), UNLOCK]);
    rig.feed(&[Event::ReclaimBegin { gfp: Gfp::KERNEL, kswapd: false }, MUTEX, UNLOCK, Event::ReclaimEnd { freed: 0 }]);
    // Reclaim holds both maps, so the mutex closes a cycle with each.
    let (fs, io) = ("fs_reclaim --> pcpu_alloc_mutex", "io_reclaim --> pcpu_alloc_mutex");
    rig.finds(&[&format!("{OURS}: {io}"), &format!("{CIRCULAR}: {fs}")]);
}

/// With the mask of the 2026 series nothing reaches reclaim of file systems or IO with the mutex held.
///
/// So a shrinker may take the mutex.
#[test]
fn noio_backing_allocations_are_clean() {
    let mut rig = Rig::new(&[]);
    rig.feed(&[MUTEX, alloc(Gfp::NOIO), UNLOCK]);
    rig.feed(&[Event::ReclaimBegin { gfp: Gfp::KERNEL, kswapd: true }, MUTEX, UNLOCK, Event::ReclaimEnd { freed: 0 }]);
    rig.clean();
}

#[test]
fn the_maps_of_reclaim_are_independent() {
    let mut rig = Rig::new(&[]);
    // With either map alone and with both, in each order: none may depend on the other.
    rig.feed(&[Event::ReclaimBegin { gfp: Gfp::KERNEL, kswapd: false }, alloc(Gfp::KERNEL)]);
    rig.feed(&[Event::ReclaimEnd { freed: 0 }, alloc(Gfp::KERNEL), alloc(Gfp::NOFS)]);
    rig.feed(&[Event::ReclaimBegin { gfp: Gfp::NOFS, kswapd: false }, Event::ReclaimEnd { freed: 0 }]);
    rig.clean();
    let pair = ["fs_reclaim", "io_reclaim"];
    let graph = rig.engine.graph(0, &|_| None);
    assert!(!graph.edges().any(|e| pair.contains(&e.from.as_ref()) && pair.contains(&e.to.as_ref())));
}

#[test]
fn memory_inside_reclaim_comes_from_reserves() {
    let mut rig = Rig::new(&[]);
    // Reclaim does not recurse (PF_MEMALLOC), so the allocation waits for nothing, though the mask is GFP_KERNEL.
    rig.feed(&[Event::ReclaimBegin { gfp: Gfp::KERNEL, kswapd: false }, MUTEX, alloc(Gfp::KERNEL), UNLOCK]);
    rig.feed(&[Event::ReclaimEnd { freed: 0 }]);
    rig.clean();
}

#[test]
fn a_wait_that_never_ends_is_seen() {
    let mut rig = Rig::new(&[]);
    // Task 1 waits for the mutex in reclaim and never gets it: the wait itself must report.
    rig.feed(&[MUTEX, alloc(Gfp::KERNEL), Event::Switch { task: 1 }]);
    rig.feed(&[Event::ReclaimBegin { gfp: Gfp::KERNEL, kswapd: false }, Event::Wait { lock: Lock::AllocMutex }]);
    assert_eq!(rig.titles().len(), 2);
    let index = rig.engine.reports()[0].place.index;
    // Nor does the lock, when it comes after all, report again.
    rig.feed(&[Event::Switch { task: 0 }, UNLOCK, Event::Switch { task: 1 }, MUTEX, UNLOCK]);
    assert_eq!(rig.titles().len(), 2);
    assert_eq!(rig.engine.reports()[0].place.index, index);
    assert!(rig.engine.reports().iter().all(|r| r.kind == Kind::Circular));
}
