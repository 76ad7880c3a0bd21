// SPDX-License-Identifier: GPL-2.0-only
//! Deadlocks around the allocator that were reported over the years, retold.
//!
//! Each is reduced to the locks that took part, so that it shows which rule finds it. The engine must find all of them,
//! and must not report the parts that were harmless.

use super::{CIRCULAR, OURS, RAW, Rig, SLEEP};
use percuss_kernel::event::{Event, Ext};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Irq, Lock, Scope, WORKER};

const MUTEX: Event = Event::MutexLock { lock: Lock::AllocMutex, killable: false, taken: true };
const UNLOCK: Event = Event::MutexUnlock { lock: Lock::AllocMutex };
const KERNEL: Event = Event::Kzalloc { size: 64, gfp: Gfp::KERNEL, addr: 64 };
const KSWAPD: u8 = WORKER as u8 + 1;

/// btrfs, 2020: an allocation under `commit_root_sem`, which is taken under a mutex that kswapd's eviction takes.
///
/// The cycle has four locks, and no task took more than two of them.
#[test]
fn btrfs_2020() {
    let (node, sem) = ("&delayed_node->mutex", "&fs_info->commit_root_sem");
    let mut rig = Rig::new(&[(node, SLEEP), (sem, SLEEP)]);
    rig.feed(&[MUTEX, KERNEL, UNLOCK]);
    rig.lock(sem).feed(&[MUTEX, UNLOCK]).unlock(sem).nest(&[node, sem]);
    // So far only tasks ran; kswapd closes the cycle.
    rig.clean();
    rig.feed(&[Event::Switch { task: KSWAPD }, Event::ReclaimBegin { gfp: Gfp::KERNEL, kswapd: true }]);
    rig.nest(&[node]).feed(&[Event::ReclaimEnd { freed: 0 }]);
    let chain = format!("{node} --> {sem} --> pcpu_alloc_mutex");
    rig.finds(&[&format!("{OURS}: {chain} --> io_reclaim"), &format!("{CIRCULAR}: {chain} --> fs_reclaim")]);
    let text = rig.text(1);
    assert!(text.contains(&format!("kswapd0/18 is trying to acquire lock:\n({node})")), "{text}");
    assert!(text.contains(&format!("Chain exists of:\n  {node} --> pcpu_alloc_mutex --> fs_reclaim\n")), "{text}");
}

/// bpf, 2019: the balance work was queued with `pcpu_lock` held, which the scheduler's own hash table takes.
///
/// Queueing takes the lock of a run queue, and a program attached to the scheduler takes `pcpu_lock` under that lock.
#[test]
fn bpf_2019() {
    let bucket = "&htab->buckets[i].lock";
    let mut rig = Rig::new(&[(bucket, RAW)]);
    let (lock, digest) = (Lock::Pcpu, 0);
    let (take, put) = (Event::SpinLock { lock, irq: Irq::Save }, Event::SpinUnlock { lock, irq: Irq::Save, digest });
    // Queued without `pcpu_lock` it is fine.
    rig.feed(&[Event::ScheduleWork { queued: true }, Event::LockExt { lock: Ext::Rq, shared: false, attempt: false }]);
    rig.lock(bucket).feed(&[take, put]).unlock(bucket).feed(&[Event::UnlockExt { lock: Ext::Rq }]);
    rig.clean();
    // Work that is pending already is not queued again.
    rig.feed(&[take, Event::ScheduleWork { queued: false }, put]);
    rig.clean();
    rig.feed(&[take, Event::ScheduleWork { queued: true }, put]);
    rig.finds(&[&format!("{CIRCULAR}: {bucket} --> pcpu_lock --> &pool->lock --> &p->pi_lock --> &rq->__lock")]);
}

/// block, 2026: percpu memory was allocated with a queue frozen, under a mutex under which others wait for IO.
///
/// The task that froze the queue was careful, and allocated in a noio scope. The holder of the mutex was not.
#[test]
fn block_2026() {
    let freeze = |shared| Event::LockExt { lock: Ext::Freeze, shared, attempt: false };
    let thaw = Event::UnlockExt { lock: Ext::Freeze };
    let scope = Scope::Noio;
    let mut rig = Rig::new(&[]);
    rig.feed(&[Event::ScopeSave { scope, old: false }, freeze(false), MUTEX, KERNEL, UNLOCK, thaw]);
    rig.feed(&[Event::ScopeRestore { scope, old: false }]);
    // The scope covers what the caller allocates. A holder of the mutex without the scope waits for IO into the frozen
    // queue.
    rig.clean();
    rig.feed(&[Event::Switch { task: 1 }, MUTEX, KERNEL, UNLOCK]);
    let chain = "q_usage_counter(io) --> pcpu_alloc_mutex";
    rig.finds(&[&format!("{OURS}: io_reclaim --> {chain}")]);
    // What the kernel saw: reclaim of a file system enters the queue.
    rig.feed(&[Event::Switch { task: KSWAPD }, Event::ReclaimBegin { gfp: Gfp::KERNEL, kswapd: true }]);
    rig.feed(&[freeze(true), thaw, Event::ReclaimEnd { freed: 0 }]);
    rig.finds(&[&format!("{OURS}: io_reclaim --> {chain}"), &format!("{CIRCULAR}: fs_reclaim --> {chain}")]);
}

/// The rule of the caller contract: no `__GFP_FS` under a lock that reclaim takes.
///
/// No reclaim runs here. The declared dependency stands for it.
#[test]
fn an_allocation_under_a_lock_of_the_file_system() {
    let mut rig = Rig::new(&[]);
    let lock = Ext::Fs;
    rig.feed(&[Event::LockExt { lock, shared: false, attempt: false }, KERNEL, Event::UnlockExt { lock }]);
    rig.finds(&[&format!("{CIRCULAR}: fs_lock --> fs_reclaim")]);
    assert!(rig.text(0).contains("       declared: a file system's reclaim takes its own lock\n"), "{}", rig.text(0));
}

/// The work item runs without the scopes of the task that queued it.
///
/// A task that waits for it must not hold what it takes, which the two maps of the workqueue show.
#[test]
fn the_work_item() {
    let mut rig = Rig::new(&[]);
    rig.feed(&[Event::ScopeSave { scope: Scope::Noio, old: false }, Event::WorkBegin, MUTEX, KERNEL, UNLOCK]);
    rig.feed(&[Event::WorkEnd, KERNEL]);
    rig.clean();
    let graph = rig.engine.graph(0, &|_| None);
    let has = |from: &str, to: &str| graph.edges().any(|e| e.from == from && e.to == to);
    assert!(has("(wq_completion)events", "pcpu_balance_work") && has("pcpu_balance_work", "pcpu_alloc_mutex"));
    assert!(has("pcpu_alloc_mutex", "fs_reclaim"));
    assert!(rig.engine.reports().is_empty());
}
