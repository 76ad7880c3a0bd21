// SPDX-License-Identifier: GPL-2.0-only
//! Readers and writers: which of them wait for each other, and where IO and reclaim read.

use super::{CIRCULAR, OURS, RECURSIVE, Read, Rig};
use percuss_kernel::event::{Event, Ext};
use percuss_kernel::gfp::Gfp;

#[test]
fn readers_of_a_semaphore_block_after_a_waiting_writer() {
    let mut rig = Rig::abcd();
    // A writer that waits for A between the two readers keeps the second one out.
    rig.read("A", Read::Shared).lock("B").unlock("B").unlock("A");
    rig.lock("B").read("A", Read::Shared).unlock("A").unlock("B");
    rig.finds(&[&format!("{CIRCULAR}: A --> B")]);
}

#[test]
fn recursive_readers_let_each_other_in() {
    let mut rig = Rig::abcd();
    rig.read("A", Read::Recursive).lock("B").unlock("B").unlock("A");
    rig.lock("B").read("A", Read::Recursive).unlock("A").unlock("B");
    rig.clean();
    // A writer closes the cycle.
    // It waits for the reader of the other task, which waits for B.
    rig.lock("B").lock("A").unlock("A").unlock("B");
    rig.finds(&[&format!("{CIRCULAR}: A --> B")]);
}

#[test]
fn a_reader_inside_a_writer_of_another_lock_closes_a_cycle() {
    let mut rig = Rig::abcd();
    // The reader waits for the writer that holds A.
    rig.lock("A").lock("B").unlock("B").unlock("A");
    rig.lock("B").read("A", Read::Recursive).unlock("A").unlock("B");
    rig.finds(&[&format!("{CIRCULAR}: A --> B")]);
}

#[test]
fn a_path_with_a_weak_joint_is_no_cycle() {
    let mut rig = Rig::abcd();
    // A -> B ends at a recursive reader, B -> C begins at one; only C -> A is strong throughout.
    rig.lock("A").read("B", Read::Recursive).unlock("B").unlock("A");
    rig.read("B", Read::Recursive).lock("C").unlock("C").unlock("B");
    rig.nest(&["C", "A"]);
    rig.clean();
    // With A held under the reader all the way, A -> C holds by itself.
    rig.lock("A").read("B", Read::Recursive).lock("C").unlock("C").unlock("B").unlock("A");
    rig.finds(&[&format!("{CIRCULAR}: A --> C")]);
}

#[test]
fn recursion_of_readers() {
    let mut rig = Rig::abcd();
    // A recursive reader may take its lock again; a shared one may wait for a writer that waits for it.
    rig.read("A", Read::Recursive).read("A", Read::Recursive).unlock("A").unlock("A");
    rig.clean();
    rig.read("B", Read::Shared).read("B", Read::Shared);
    rig.finds(&[&format!("{RECURSIVE}: B")]);
}

fn kzalloc(gfp: Gfp) -> Event {
    Event::Kzalloc { size: 64, gfp, addr: 64 }
}

#[test]
fn a_frozen_queue_and_reclaim_that_does_io() {
    let mut rig = Rig::new(&[]);
    let lock = Ext::Freeze;
    // Without `__GFP_IO` reclaim submits no IO, so a frozen queue does not block it.
    rig.feed(&[Event::LockExt { lock, shared: false, attempt: false }, kzalloc(Gfp::NOIO), Event::UnlockExt { lock }]);
    rig.clean();
    rig.feed(&[Event::LockExt { lock, shared: false, attempt: false }, kzalloc(Gfp::NOFS), Event::UnlockExt { lock }]);
    rig.finds(&[&format!("{OURS}: io_reclaim --> q_usage_counter(io)")]);
    let text = rig.text(0);
    assert!(text.contains("declared: IO for reclaim enters the queue"), "{text}");
    assert!(rig.engine.reports()[0].edges[1].origin.is_some() && rig.engine.reports()[0].edges[0].origin.is_none());
}

/// A freeze waits for IO in flight and keeps new IO out.
///
/// A task with IO in flight must therefore not wait for more.
#[test]
fn io_in_flight_waits_for_no_other_io() {
    let lock = Ext::Freeze;
    let submit = [Event::LockExt { lock, shared: true, attempt: false }];
    let mut rig = Rig::new(&[]);
    rig.feed(&submit).feed(&[kzalloc(Gfp::NOIO), Event::UnlockExt { lock }]);
    rig.clean();
    rig.feed(&submit).feed(&[kzalloc(Gfp::NOFS), Event::UnlockExt { lock }]);
    rig.finds(&[&format!("{OURS}: io_reclaim --> q_usage_counter(io)")]);
    let mut rig = Rig::new(&[]);
    // A freeze that begins between the two keeps the second from entering, and waits for the first.
    rig.feed(&submit).feed(&submit);
    rig.finds(&[&format!("{RECURSIVE}: q_usage_counter(io)")]);
}

#[test]
fn reclaim_tries_the_shrinker_lock() {
    let mut rig = Rig::new(&[]);
    let lock = Ext::Shrinker;
    // Registering a shrinker allocates under the lock; reclaim skips shrinkers if it cannot have the lock.
    rig.feed(&[
        Event::LockExt { lock, shared: false, attempt: false },
        kzalloc(Gfp::KERNEL),
        Event::UnlockExt { lock },
    ]);
    rig.feed(&[
        Event::ReclaimBegin { gfp: Gfp::KERNEL, kswapd: false },
        Event::LockExt { lock, shared: true, attempt: true },
        Event::UnlockExt { lock },
        Event::ReclaimEnd { freed: 1 },
    ]);
    rig.clean();
    rig.feed(&[
        Event::ReclaimBegin { gfp: Gfp::KERNEL, kswapd: false },
        Event::LockExt { lock, shared: true, attempt: false },
        Event::UnlockExt { lock },
        Event::ReclaimEnd { freed: 1 },
    ]);
    let (fs, io) =
        (format!("{CIRCULAR}: fs_reclaim --> shrinker_rwsem"), format!("{OURS}: io_reclaim --> shrinker_rwsem"));
    // Nearest first.
    rig.finds(&[&io, &fs]);
}
