// SPDX-License-Identifier: GPL-2.0-only
//! The cases that tools/lib/lockdep was tested with, by their original names, and a few rules next to them.
//!
//! A name lists the locks in the order in which they are taken: `abbcca` takes A and B, B and C, C and A.

use super::{CIRCULAR, RECURSIVE, Rig};

#[track_caller]
fn circular(rig: &Rig, chain: &str) {
    rig.finds(&[&format!("{CIRCULAR}: {chain}")]);
}

#[test]
fn aa() {
    let mut rig = Rig::abcd();
    // The second waits for the first, which is the same task's: no second task is needed for this one.
    rig.lock("A").lock("A");
    rig.finds(&[&format!("{RECURSIVE}: A")]);
}

#[test]
fn aba() {
    let mut rig = Rig::abcd();
    rig.lock("A").lock("B").lock("A");
    // The class is held already; that B lies between makes it a cycle as well.
    assert_eq!(rig.titles()[0], format!("{RECURSIVE}: A"));
}

#[test]
fn abba() {
    let mut rig = Rig::abcd();
    rig.nest(&["A", "B"]).nest(&["B", "A"]);
    circular(&rig, "A --> B");
}

#[test]
fn abba_in_two_threads() {
    let mut rig = Rig::abcd();
    rig.nest(&["A", "B"]);
    // Another task: the rule is about classes, and each task by itself is consistent.
    rig.engine.switch(1);
    rig.nest(&["B", "A"]);
    circular(&rig, "A --> B");
    assert_eq!(rig.engine.reports()[0].place.task, 1);
}

#[test]
fn abbcca() {
    let mut rig = Rig::abcd();
    // Three tasks may hold one lock each and wait for the next; no two of them deadlock.
    rig.nest(&["A", "B"]).nest(&["B", "C"]).nest(&["C", "A"]);
    circular(&rig, "A --> B --> C");
}

#[test]
fn abbccdda() {
    let mut rig = Rig::abcd();
    rig.nest(&["A", "B"]).nest(&["B", "C"]).nest(&["C", "D"]).nest(&["D", "A"]);
    circular(&rig, "A --> B --> C --> D");
}

#[test]
fn abcabc() {
    let mut rig = Rig::abcd();
    // The last dependency lies in the middle of the cycle, and the title is the same all the same.
    rig.nest(&["A", "B"]).nest(&["C", "A"]).nest(&["B", "C"]);
    circular(&rig, "A --> B --> C");
}

#[test]
fn abcdbcda() {
    let mut rig = Rig::abcd();
    // Two chains that the third dependency joins before the fourth closes the cycle.
    rig.nest(&["A", "B"]).nest(&["C", "D"]).nest(&["B", "C"]).nest(&["D", "A"]);
    circular(&rig, "A --> B --> C --> D");
}

#[test]
fn abcdbdda() {
    let mut rig = Rig::abcd();
    // C -> D leads into the cycle and is no part of it, so C must not be in the report.
    rig.nest(&["A", "B"]).nest(&["C", "D"]).nest(&["B", "D"]).nest(&["D", "A"]);
    circular(&rig, "A --> B --> D");
}

/// The original mixes a wait/wound lock with its acquire context, twice the same class.
#[test]
fn ww() {
    let mut rig = Rig::abcd();
    rig.lock("D").lock("A").unlock("A").unlock("D").nest(&["D", "A"]);
    rig.clean();
    rig.lock("D").lock("A").lock("A");
    rig.finds(&[&format!("{RECURSIVE}: A")]);
}

#[test]
fn unlock_balance() {
    let mut rig = Rig::abcd();
    // The lock is known but not held, which is not the same as a lock that was never taken.
    rig.lock("A").unlock("A").unlock("A");
    rig.finds(&["WARNING: bad unlock balance detected!: A"]);
}

#[test]
fn reports_go_on_and_come_once() {
    let mut rig = Rig::abcd();
    // The kernel's lockdep turns itself off at the first report; C and D show that the engine goes on.
    rig.nest(&["A", "B"]).nest(&["B", "A"]).nest(&["A", "B"]).nest(&["B", "A"]);
    rig.nest(&["C", "D"]).nest(&["D", "C"]);
    rig.finds(&[&format!("{CIRCULAR}: A --> B"), &format!("{CIRCULAR}: C --> D")]);
    // After a reset the same mistake is news again, and half of it is none.
    rig.engine.reset();
    rig.clean();
    rig.nest(&["B", "A"]);
    rig.clean();
}

#[test]
fn a_trylock_waits_for_no_lock() {
    let mut rig = Rig::abcd();
    rig.nest(&["A", "B"]).lock("B").attempt("A").unlock("A").unlock("B");
    rig.clean();
    // But what is taken under it waits with it held, and with what is held below.
    rig.lock("D").attempt("A").lock("C").unlock("C").unlock("A").unlock("D");
    rig.nest(&["C", "A"]).nest(&["C", "D"]);
    rig.finds(&[&format!("{CIRCULAR}: A --> C"), &format!("{CIRCULAR}: C --> D")]);
}

#[test]
fn release_out_of_order() {
    let mut rig = Rig::abcd();
    rig.lock("A").lock("B").unlock("A").lock("C").unlock("B").unlock("C").nest(&["C", "A"]);
    // A was gone when C was taken, but B was taken under A and C under B.
    circular(&rig, "A --> B --> C");
}
