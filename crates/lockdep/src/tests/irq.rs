// SPDX-License-Identifier: GPL-2.0-only
//! Locks and interrupts.
//!
//! Three facts make an inversion: an interrupt takes one lock, another lock is held with it enabled, and the second is
//! taken under the first. Whichever comes last must report, so the orders have a test each.

use super::{Kind, Rig};
use percuss_kernel::event::{Event, Ext};
use percuss_kernel::{Irq, Lock};

const HARD_IN: Event = Event::Interrupt { hard: true, enter: true };
const HARD_OUT: Event = Event::Interrupt { hard: true, enter: false };
const SOFT_IN: Event = Event::Interrupt { hard: false, enter: true };
const SOFT_OUT: Event = Event::Interrupt { hard: false, enter: false };

fn take(lock: Ext) -> Event {
    Event::LockExt { lock, shared: false, attempt: false }
}

fn put(lock: Ext) -> Event {
    Event::UnlockExt { lock }
}

/// `irq_lock` is taken by an interrupt, which makes it "safe" in the words of lockdep.
const SAFE: [Event; 4] = [
    HARD_IN,
    Event::LockExt { lock: Ext::IrqSpin, shared: false, attempt: false },
    Event::UnlockExt { lock: Ext::IrqSpin },
    HARD_OUT,
];

/// `spin_lock` is held with interrupts on, which makes it "unsafe".
fn unsafe_() -> [Event; 2] {
    [take(Ext::Spin), put(Ext::Spin)]
}

fn nested() -> [Event; 4] {
    [take(Ext::IrqSpin), take(Ext::Spin), put(Ext::Spin), put(Ext::IrqSpin)]
}

#[test]
fn safe_then_unsafe_then_order() {
    let mut rig = Rig::new(&[]);
    rig.feed(&SAFE).feed(&unsafe_()).feed(&nested());
    rig.finds(&["WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected: irq_lock --> spin_lock"]);
    // Lines by themselves, so that the order of the sections and the stacks may change.
    let text = rig.text(0);
    for line in [
        "task0/1 [HC0[0]:SC0[0]:HE0:SE1] is trying to acquire:",
        "(spin_lock){+.+.}-{2:2}, at: lock",
        "and this task is already holding:",
        "(irq_lock){-...}-{2:2}, at: lock",
        " (irq_lock){-...}-{2:2} -> (spin_lock){+.+.}-{2:2}",
        "but this new dependency connects a HARDIRQ-irq-safe lock:",
        "... which became HARDIRQ-irq-safe at:",
        "to a HARDIRQ-irq-unsafe lock:",
        " Possible interrupt unsafe locking scenario:",
        "  lock(spin_lock);",
        "                               local_irq_disable();",
        "                               lock(irq_lock);",
        "                               lock(spin_lock);",
        "  <Interrupt>",
        "    lock(irq_lock);",
        " *** DEADLOCK ***",
    ] {
        assert!(text.lines().any(|l| l == line), "{line:?} in {text}");
    }
}

#[test]
fn unsafe_then_safe_then_order() {
    let mut rig = Rig::new(&[]);
    rig.feed(&unsafe_()).feed(&SAFE).feed(&nested());
    rig.finds(&["WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected: irq_lock --> spin_lock"]);
}

#[test]
fn order_then_safe_then_unsafe() {
    let mut rig = Rig::new(&[]);
    // Nothing is wrong yet: no task holds `spin_lock` with interrupts on.
    rig.feed(&nested()).feed(&SAFE);
    rig.clean();
    rig.feed(&unsafe_());
    rig.finds(&["WARNING: possible irq lock inversion dependency detected: irq_lock --> spin_lock (HARDIRQ)"]);
    let text = rig.text(0);
    assert!(
        text.contains("but this lock was taken by another, HARDIRQ-safe lock in the past:\n (irq_lock){-...}-{2:2}")
    );
    assert!(text.contains("and interrupts could create inverse lock ordering between them."), "{text}");
}

#[test]
fn order_then_unsafe_then_safe() {
    let mut rig = Rig::new(&[]);
    rig.feed(&nested()).feed(&unsafe_());
    rig.clean();
    rig.feed(&SAFE);
    rig.finds(&["WARNING: possible irq lock inversion dependency detected: irq_lock --> spin_lock (HARDIRQ)"]);
    assert!(rig.text(0).contains("but this lock took another, HARDIRQ-unsafe lock in the past:\n (spin_lock){+.+.}"));
}

#[test]
fn a_chain_between_safe_and_unsafe() {
    let mut rig = Rig::new(&[]);
    // `pcpu_lock` lies between the two ends and is neither safe nor unsafe itself.
    let pcpu = Lock::Pcpu;
    rig.feed(&SAFE).feed(&[Event::SpinLock { lock: pcpu, irq: Irq::Save }, take(Ext::Spin), put(Ext::Spin)]);
    rig.feed(&[Event::SpinUnlock { lock: pcpu, irq: Irq::Save, digest: 0 }]).feed(&unsafe_());
    rig.clean();
    rig.feed(&[take(Ext::IrqSpin), Event::SpinLock { lock: pcpu, irq: Irq::Save }]);
    let title = "WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected: irq_lock --> pcpu_lock --> spin_lock";
    rig.finds(&[title]);
    assert!(rig.text(0).contains("Chain exists of:\n  irq_lock --> pcpu_lock --> spin_lock\n"));
    assert_eq!(rig.engine.reports()[0].edges.len(), 2);
}

#[test]
fn inconsistent_state() {
    let mut rig = Rig::new(&[]);
    // One class suffices: the handler interrupts the holder.
    rig.feed(&unsafe_()).feed(&[HARD_IN]).feed(&unsafe_()).feed(&[HARD_OUT]);
    rig.finds(&["WARNING: inconsistent lock state: spin_lock {HARDIRQ-ON-W} -> {IN-HARDIRQ-W}"]);
    let text = rig.text(0);
    assert!(
        text.contains("inconsistent {HARDIRQ-ON-W} -> {IN-HARDIRQ-W} usage.\ntask0/1 [HC1[1]:SC0[0]:HE0:SE1] takes:")
    );
    assert!(text.contains("(spin_lock){?.+.}-{2:2}"), "{text}");
    assert!(text.contains("{HARDIRQ-ON-W} state was registered at:"));
}

#[test]
fn soft_interrupts_are_distinct() {
    let mut rig = Rig::new(&[]);
    rig.feed(&unsafe_()).feed(&[SOFT_IN]).feed(&unsafe_()).feed(&[SOFT_OUT]);
    rig.finds(&["WARNING: inconsistent lock state: spin_lock {SOFTIRQ-ON-W} -> {IN-SOFTIRQ-W}"]);
}

#[test]
fn the_allocators_lock_may_be_taken_anywhere() {
    let mut rig = Rig::new(&[]);
    // `pcpu_lock` is taken with interrupts off everywhere, so percpu memory may be freed in handlers.
    let lock = [
        Event::SpinLock { lock: Lock::Pcpu, irq: Irq::Save },
        Event::SpinUnlock { lock: Lock::Pcpu, irq: Irq::Save, digest: 0 },
    ];
    rig.feed(&lock).feed(&[SOFT_IN]).feed(&lock).feed(&[HARD_IN]).feed(&lock).feed(&[HARD_OUT, SOFT_OUT]).feed(&lock);
    rig.clean();
    // Without turning interrupts off it may not.
    rig.feed(&[Event::SpinLock { lock: Lock::Pcpu, irq: Irq::Keep }]);
    assert!(rig.engine.reports().iter().all(|r| r.kind == Kind::Inconsistent));
    assert_eq!(rig.titles().len(), 2);
}

#[test]
fn unlock_irq_turns_interrupts_on_under_a_lock() {
    let mut rig = Rig::new(&[]);
    // `spin_unlock_irq()` inside of an irqsave section turns interrupts on under the outer lock.
    let lock = Lock::Other(0);
    rig.feed(&SAFE).feed(&[take(Ext::IrqSpin), Event::SpinLock { lock, irq: Irq::Off }]);
    rig.clean();
    rig.feed(&[Event::SpinUnlock { lock, irq: Irq::Off, digest: 0 }]);
    rig.finds(&["WARNING: inconsistent lock state: irq_lock {IN-HARDIRQ-W} -> {HARDIRQ-ON-W}"]);
    let mut rig = Rig::new(&[]);
    rig.feed(&SAFE).feed(&[take(Ext::IrqSpin), Event::SpinLock { lock, irq: Irq::Save }]);
    rig.feed(&[Event::SpinUnlock { lock, irq: Irq::Save, digest: 0 }, put(Ext::IrqSpin)]);
    rig.clean();
}

#[test]
fn the_interrupted_task_is_no_dependency() {
    let mut rig = Rig::new(&[]);
    // The handler does not wait for what the interrupted task holds, so spin_lock -> irq_lock is no dependency.
    rig.feed(&[take(Ext::Spin), HARD_IN, take(Ext::IrqSpin), put(Ext::IrqSpin), HARD_OUT, put(Ext::Spin)]);
    let graph = rig.engine.graph(0, &|_| None);
    assert!(!graph.edges().any(|e| e.from == "spin_lock"));
    // But a lock it holds cannot be taken by the interrupt.
    rig.feed(&[Event::Irqs { off: true }, take(Ext::Spin), Event::Irqs { off: false }, HARD_IN, take(Ext::Spin)]);
    assert!(rig.titles().contains(&"WARNING: possible recursive locking detected: spin_lock"));
}

#[test]
fn a_reader_in_an_interrupt_waits_for_writers() {
    use super::Read::Shared;
    let mut rig = Rig::abcd();
    // Taking a semaphore in an interrupt is wrong too, but that is another rule.
    rig.read("A", Shared).unlock("A").feed(&[HARD_IN]).read("A", Shared).unlock("A").feed(&[HARD_OUT]);
    assert!(rig.engine.reports().iter().all(|r| r.kind == Kind::InvalidWait));
    rig.lock("A");
    assert!(rig.titles().contains(&"WARNING: inconsistent lock state: A {IN-HARDIRQ-R} -> {HARDIRQ-ON-W}"));
}
