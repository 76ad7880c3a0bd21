// SPDX-License-Identifier: GPL-2.0-only
//! Which locks may be taken in which context, and what may be held when.
//!
//! Cases that depend on CONFIG_PROVE_RAW_LOCK_NESTING run with and without it.

use super::{Class, Options, RAW, Rig, SLEEP, SPIN};
use percuss_kernel::event::{Event, Ext};
use percuss_kernel::{Irq, Lock, limits, op_number};

const WAIT: &str = "[ BUG: Invalid wait context ]";
const SPIN_LOCK: Event = Event::SpinLock { lock: Lock::Pcpu, irq: Irq::Save };
const SPIN_UNLOCK: Event = Event::SpinUnlock { lock: Lock::Pcpu, irq: Irq::Save, digest: 0 };
const MUTEX: Event = Event::MutexLock { lock: Lock::AllocMutex, killable: false, taken: true };
const RQ: Event = Event::LockExt { lock: Ext::Rq, shared: false, attempt: false };

fn rig(raw_lock_nesting: bool) -> Rig {
    Rig::with(&[("R", RAW), ("S", SPIN), ("M", SLEEP)], Options { raw_lock_nesting, ..Options::default() })
}

#[test]
fn a_mutex_under_a_spinlock() {
    for raw in [false, true] {
        let mut rig = rig(raw);
        rig.feed(&[SPIN_LOCK, MUTEX]);
        rig.finds(&[&format!("{WAIT}: pcpu_lock --> pcpu_alloc_mutex")]);
        // The number of a context that allows everything is one higher when a `spinlock_t` has a number of its own.
        let context = if raw { "context-{5:5}" } else { "context-{4:4}" };
        assert!(rig.text(0).contains(context), "{}", rig.text(0));
    }
}

#[test]
fn a_spinlock_under_a_raw_one() {
    // Without PREEMPT_RT a `spinlock_t` spins, so it may be taken under a raw one.
    let mut plain = rig(false);
    plain.feed(&[RQ, SPIN_LOCK]);
    plain.clean();
    let mut proving = rig(true);
    proving.feed(&[RQ, SPIN_LOCK]);
    proving.finds(&[&format!("{WAIT}: &rq->__lock --> pcpu_lock")]);
    assert!(proving.text(0).contains("(pcpu_lock){....}-{3:3}"), "{}", proving.text(0));
}

#[test]
fn a_raw_lock_under_a_spinlock_and_all_under_a_mutex() {
    let mut rig = rig(true);
    // From the longest wait to the shortest is the one order that is right everywhere.
    rig.nest(&["M", "S", "R"]);
    rig.clean();
}

#[test]
fn interrupts_restrict() {
    let enter = |hard| Event::Interrupt { hard, enter: true };
    // On PREEMPT_RT soft interrupts run in threads, hard ones do not.
    let mut soft = rig(true);
    soft.feed(&[enter(false), SPIN_LOCK, SPIN_UNLOCK]);
    soft.clean();
    soft.feed(&[MUTEX]);
    assert_eq!(soft.titles()[0], format!("{WAIT}: pcpu_alloc_mutex"));
    let mut hard = rig(true);
    hard.feed(&[enter(true), SPIN_LOCK]);
    assert_eq!(hard.titles()[0], format!("{WAIT}: pcpu_lock"));
    assert!(hard.text(0).contains("context-{2:2}"));
    let mut plain = rig(false);
    plain.feed(&[enter(true), SPIN_LOCK]);
    plain.clean();
}

#[test]
fn a_spinlock_released_restricts_no_more() {
    let mut rig = rig(true);
    // S goes from between the two others, so the limit of what is above it is computed anew.
    rig.lock("M").lock("S").lock("R").unlock("S").unlock("R").nest(&["S"]);
    rig.clean();
    rig.lock("R").lock("M");
    assert_eq!(rig.titles()[0], format!("{WAIT}: R --> M"));
}

#[test]
fn locks_held_at_the_end_of_an_op() {
    // Locks of the program may be held over ops, those of the allocator may not.
    let mut engine = rig(false);
    let freeze = Event::LockExt { lock: Ext::Freeze, shared: false, attempt: false };
    engine.feed(&[Event::OpBegin { op: 0 }, freeze, Event::OpEnd { op: 0, result: 0 }]);
    engine.clean();
    engine.feed(&[Event::OpBegin { op: 1 }, MUTEX, Event::OpEnd { op: 1, result: 0 }]);
    engine.finds(&["WARNING: still has locks held! pcpu_alloc_mutex"]);
    let text = engine.text(0);
    assert!(text.contains("\nWARNING: task0/1 still has locks held!\n"), "{text}");
    assert!(text.contains("2 locks held by task0/1:\n #0: (q_usage_counter(io))"), "{text}");
}

#[test]
fn an_op_in_an_interrupt_does_not_own_what_it_interrupts() {
    let mut rig = rig(false);
    rig.feed(&[Event::OpBegin { op: 0 }, MUTEX, Event::Interrupt { hard: true, enter: true }]);
    // An op of an interrupt handler; the mutex below it is of the interrupted op.
    let op = op_number(limits::TASKS + limits::SHRINKERS, 0);
    rig.feed(&[Event::OpBegin { op }, SPIN_LOCK, SPIN_UNLOCK, Event::OpEnd { op, result: 0 }]);
    rig.clean();
    rig.feed(&[Event::Interrupt { hard: true, enter: false }, Event::MutexUnlock { lock: Lock::AllocMutex }]);
    rig.feed(&[Event::OpEnd { op: 0, result: 0 }]);
    rig.clean();
}

#[test]
fn memory_with_a_lock_in_it() {
    let mut rig = rig(false);
    // Not held: memory with a free lock in it may go.
    rig.engine.memory_freed(1, Class::ALLOC_MUTEX);
    rig.clean();
    rig.feed(&[MUTEX]);
    rig.engine.memory_freed(2, Class::ALLOC_MUTEX);
    rig.finds(&["WARNING: held lock freed!: pcpu_alloc_mutex"]);
    assert!(rig.text(0).contains("task0/1 is freeing memory, with a lock still held there!"));
}

#[test]
fn misuse_that_the_world_refused() {
    let mut rig = rig(false);
    // The World does not carry out such a call, as its own locks would be wrong after it; the event says what was
    // tried.
    rig.feed(&[MUTEX, Event::LockMisuse { lock: Lock::AllocMutex, unlock: false }]);
    rig.feed(&[Event::LockMisuse { lock: Lock::Pcpu, unlock: true }]);
    rig.finds(&[
        "WARNING: possible recursive locking detected: pcpu_alloc_mutex",
        "WARNING: bad unlock balance detected!: pcpu_lock",
    ]);
    assert!(rig.text(1).contains("task0/1 is trying to release lock (pcpu_lock) at:\n"));
}

#[test]
fn sleeping_in_atomic_context() {
    let mut rig = rig(false);
    // The title names the lock, if there is one, and otherwise what forbids to sleep.
    rig.feed(&[SPIN_LOCK, Event::SleepInAtomic { irqs_off: true }, SPIN_UNLOCK]);
    rig.feed(&[Event::Preempt { off: true }, Event::SleepInAtomic { irqs_off: false }]);
    let headline = "BUG: sleeping function called from invalid context";
    rig.finds(&[&format!("{headline}: under pcpu_lock"), &format!("{headline}: with preemption off")]);
    assert!(rig.text(0).contains("in_atomic(): 1, irqs_disabled(): 1, non_block: 0, pid: 1, name: task0\n"));
    assert!(rig.text(1).contains("preempt_count: 1, expected: 0\nno locks held by task0/1.\n"));
}
