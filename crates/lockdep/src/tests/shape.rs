// SPDX-License-Identifier: GPL-2.0-only
//! Reports next to those that a kernel printed for the same deed.
//!
//! Expected is what a 6.12 kernel with PROVE_LOCKING printed, without addresses, call sites, stacks and the name of the
//! task.

use super::{CallSite, Read, Rig, SPIN};
use percuss_kernel::event::Event;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Irq, Lock};

const MUTEX: Event = Event::MutexLock { lock: Lock::AllocMutex, killable: false, taken: true };
const UNLOCK: Event = Event::MutexUnlock { lock: Lock::AllocMutex };
const PCPU: Event = Event::SpinLock { lock: Lock::Pcpu, irq: Irq::Save };
const PCPU_UNLOCK: Event = Event::SpinUnlock { lock: Lock::Pcpu, irq: Irq::Save, digest: 0 };

/// A report without what varies: the task, places and the version are replaced, stacks are cut.
///
/// A stack ends at the next line that is not indented like one.
fn masked(text: &str) -> String {
    let mut out = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let line = line.replace("task0/1", "TASK").replace("pid: 1, name: task0", "TASK");
        let line = match line.split_once(", at: ") {
            Some((lock, _)) => format!("{lock}, at:"),
            None if line.starts_with("percuss-") => "KERNEL".to_owned(),
            None if line.starts_with("BUG: ") => line[..line.find(" at ").unwrap_or(line.len())].to_owned(),
            None => line,
        };
        out.push_str(&line);
        out.push('\n');
        let stack = match &line {
            l if l.starts_with("-> #") => "       ",
            l if l.starts_with("stack backtrace:") => " ",
            _ => continue,
        };
        while lines.next_if(|l| l.starts_with(stack)).is_some() {}
    }
    out
}

const RECLAIM_AND_MUTEX: &str = "
======================================================
WARNING: possible circular locking dependency detected
KERNEL
------------------------------------------------------
TASK is trying to acquire lock:
(pcpu_alloc_mutex){+.+.}-{3:3}, at:

but task is already holding lock:
(fs_reclaim){+.+.}-{0:0}, at:

which lock already depends on the new lock.


the existing dependency chain (in reverse order) is:

-> #1 (fs_reclaim){+.+.}-{0:0}:

-> #0 (pcpu_alloc_mutex){+.+.}-{3:3}:

other info that might help us debug this:

 Possible unsafe locking scenario:

       CPU0                    CPU1
       ----                    ----
  lock(fs_reclaim);
                               lock(pcpu_alloc_mutex);
                               lock(fs_reclaim);
  lock(pcpu_alloc_mutex);

 *** DEADLOCK ***

1 lock held by TASK:
 #0: (fs_reclaim){+.+.}-{0:0}, at:

stack backtrace:
";

#[test]
fn reclaim_and_the_mutex() {
    let mut rig = Rig::new(&[]);
    rig.feed(&[MUTEX, Event::Kzalloc { size: 64, gfp: Gfp::KERNEL, addr: 64 }, UNLOCK]);
    rig.lock("fs_reclaim").feed(&[MUTEX]);
    assert_eq!(masked(&rig.text(0)), RECLAIM_AND_MUTEX);
}

const SLEEP_IN_ATOMIC: &str = "\
BUG: sleeping function called from invalid context
in_atomic(): 1, irqs_disabled(): 0, non_block: 0, TASK
preempt_count: 1, expected: 0
1 lock held by TASK:
 #0: (my_lock){+.+.}-{2:2}, at:
stack backtrace:
";

const INVALID_WAIT: &str = "
=============================
[ BUG: Invalid wait context ]
KERNEL
-----------------------------
TASK is trying to lock:
(pcpu_alloc_mutex){+.+.}-{3:3}, at:
other info that might help us debug this:
context-{4:4}
1 lock held by TASK:
 #0: (my_lock){+.+.}-{2:2}, at:
stack backtrace:
";

#[test]
fn the_mutex_under_a_spinlock() {
    let mut rig = Rig::new(&[("my_lock", SPIN)]);
    rig.feed(&[MUTEX, UNLOCK]).lock("my_lock");
    rig.feed(&[Event::SleepInAtomic { irqs_off: false }, MUTEX]);
    assert_eq!(masked(&rig.text(0)), SLEEP_IN_ATOMIC);
    assert_eq!(masked(&rig.text(1)), INVALID_WAIT);
}

const ABBA: &str = "
======================================================
WARNING: possible circular locking dependency detected
KERNEL
------------------------------------------------------
TASK is trying to acquire lock:
(my_lock){....}-{2:2}, at:

but task is already holding lock:
(pcpu_lock){..-.}-{2:2}, at:

which lock already depends on the new lock.


the existing dependency chain (in reverse order) is:

-> #1 (pcpu_lock){..-.}-{2:2}:

-> #0 (my_lock){....}-{2:2}:

other info that might help us debug this:

 Possible unsafe locking scenario:

       CPU0                    CPU1
       ----                    ----
  lock(pcpu_lock);
                               lock(my_lock);
                               lock(pcpu_lock);
  lock(my_lock);

 *** DEADLOCK ***

1 lock held by TASK:
 #0: (pcpu_lock){..-.}-{2:2}, at:

stack backtrace:
";

#[test]
fn a_spinlock_and_pcpu_lock() {
    let mut rig = Rig::new(&[("my_lock", SPIN)]);
    let soft = |enter| Event::Interrupt { hard: false, enter };
    // In the kernel, soft interrupts took `pcpu_lock` since boot, which the usage characters show.
    rig.feed(&[soft(true), PCPU, PCPU_UNLOCK, soft(false), Event::Irqs { off: true }]);
    rig.lock("my_lock").feed(&[PCPU, PCPU_UNLOCK]).unlock("my_lock");
    rig.feed(&[PCPU]).lock("my_lock");
    assert_eq!(masked(&rig.text(0)), ABBA);
}

#[test]
fn a_longer_chain_says_what_lies_between() {
    let mut rig = Rig::abcd();
    // The scenario names three of the four locks, and a reader is shown as one.
    rig.nest(&["A", "B"]).nest(&["B", "C"]).nest(&["C", "D"]).read("D", Read::Shared).lock("A");
    let text = rig.text(0);
    assert!(text.contains("\nChain exists of:\n  A --> C --> D\n\n Possible unsafe locking scenario:\n"), "{text}");
    let order: Vec<&str> = text.lines().filter(|l| l.starts_with("-> #")).collect();
    assert_eq!(
        order,
        ["-> #3 (D){++++}-{3:3}:", "-> #2 (C){+.+.}-{3:3}:", "-> #1 (B){+.+.}-{3:3}:", "-> #0 (A){+.+.}-{3:3}:"]
    );
    assert!(text.contains("\n  rlock(D);\n                               lock(C);\n"), "{text}");
}

#[test]
fn call_sites_and_ops_are_shown_where_known() {
    let mut rig = Rig::new(&[]);
    rig.feed(&[Event::OpBegin { op: 7 }, MUTEX, Event::Kzalloc { size: 64, gfp: Gfp::KERNEL, addr: 64 }, UNLOCK]);
    rig.lock("fs_reclaim").feed(&[MUTEX]);
    rig.engine.finish(&|index| {
        // Only one event has a site: the others must fall back to the name of the function.
        (index == 3).then(|| CallSite { function: "pcpu_create_chunk".into(), file: "percpu-vm.c".into(), line: 343 })
    });
    let text = rig.text(0);
    let stack = "       kzalloc\n       pcpu_create_chunk (percpu-vm.c:343)\n       task0/1, event 3, op 7\n";
    assert!(text.contains(stack), "{text}");
    assert!(text.contains("(pcpu_alloc_mutex){+.+.}-{3:3}, at: mutex_lock\n"), "{text}");
}
