// SPDX-License-Identifier: GPL-2.0-only
//! What is new in a trouble against another graph: a change is blamed for a cycle only if it adds a part of it.

use super::graph::{SPIN, hard, merged, program, takes};
use super::{Dep, Graph, Part, Rig, Usage};
use percuss_kernel::event::{Event, Ext};

const ABC: &str = "WARNING: possible circular locking dependency detected: A --> B --> C";
const STATE: &str = "WARNING: inconsistent lock state: spin_lock {IN-HARDIRQ-W} -> {HARDIRQ-ON-W}";

fn edge(from: &'static str, to: &'static str) -> Part {
    Part::Edge(from.into(), to.into(), Dep::EN)
}

/// Names of the usages among the parts, for those that are no dependencies.
fn usages(parts: &[Part]) -> Vec<String> {
    let usage = |part: &Part| match part {
        Part::Use(class, usage) => format!("{class} {{{}}}", Usage::name(*usage)),
        Part::Edge(..) => panic!("{part:?} is no usage"),
    };
    parts.iter().map(usage).collect()
}

#[test]
fn a_cycle_whose_parts_are_all_there_gains_nothing() {
    // No program of the base closes the cycle, but its programs together have each dependency of it.
    let base = merged(&[program(0, &[(0, 1)]), program(1, &[(1, 2)]), program(2, &[(2, 0)])]);
    let after = program(7, &[(0, 1), (1, 2), (2, 0)]);
    assert!(after.conflicts().is_empty(), "the program shows it alone");
    assert_eq!(after.gained(&base, ABC), Some(vec![]));
    assert_eq!(after.gained(&after, ABC), Some(vec![]));
}

#[test]
fn the_dependency_that_closes_a_cycle_is_what_is_gained() {
    let base = merged(&[program(0, &[(0, 1)]), program(1, &[(1, 2), (0, 3)])]);
    let after = merged(&[base.clone(), program(2, &[(2, 0)])]);
    assert_eq!(after.gained(&base, ABC), Some(vec![edge("C", "A")]));
    // A base that orders nothing has none of it.
    let all = vec![edge("A", "B"), edge("B", "C"), edge("C", "A")];
    assert_eq!(after.gained(&Graph::default(), ABC), Some(all));
}

#[test]
fn what_is_not_in_the_cycle_is_not_gained_by_it() {
    let base = merged(&[program(0, &[(0, 1), (1, 2)])]);
    let after = merged(&[base.clone(), program(2, &[(2, 0), (0, 3), (3, 1)])]);
    // A -> D -> B is a longer way round, which closes a cycle of its own.
    assert_eq!(after.gained(&base, ABC), Some(vec![edge("C", "A")]));
}

#[test]
fn a_title_of_no_trouble_says_nothing() {
    let after = program(0, &[(0, 1), (1, 2), (2, 0)]);
    for title in ["", "A --> B --> C", "WARNING: possible recursive locking detected: A --> A", STATE] {
        assert_eq!(after.gained(&Graph::default(), title), None, "{title:?}");
    }
}

#[test]
fn a_usage_that_conflicts_with_one_that_was_there() {
    // The base takes the lock with interrupts on; the change takes it in an interrupt, too.
    let base = takes(0, false, SPIN);
    let after = merged(&[base.clone(), takes(1, true, SPIN)]);
    let gained = after.gained(&base, STATE).expect("the state is in conflict");
    assert_eq!(usages(&gained), ["spin_lock {IN-HARDIRQ-W}"]);
    assert_eq!(after.gained(&after, STATE), Some(vec![]));
    assert_eq!(usages(&after.gained(&Graph::default(), STATE).unwrap()).len(), 2);
}

#[test]
fn an_order_of_interrupts_under_either_title() {
    let parts = [takes(7, true, &[Ext::IrqSpin]), takes(3, false, &[Ext::IrqSpin, Ext::Spin]), takes(5, false, SPIN)];
    let after = merged(&parts);
    let order = "WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected: irq_lock --> spin_lock";
    let inversion = "WARNING: possible irq lock inversion dependency detected: irq_lock --> spin_lock (HARDIRQ)";
    for title in [order, inversion] {
        // The dependency is new when the base has both usages, and a usage when it has all but that.
        let base = merged(&[parts[0].clone(), parts[2].clone()]);
        let gained = after.gained(&base, title).expect("it is a trouble of the graph");
        assert_eq!(gained, [edge("irq_lock", "spin_lock")], "{title}");
        let base = merged(&[parts[1].clone(), parts[2].clone()]);
        let gained = after.gained(&base, title).expect("it is a trouble of the graph");
        assert_eq!(usages(&gained), ["irq_lock {IN-HARDIRQ-W}"], "{title}");
        assert_eq!(after.gained(&after, title), Some(vec![]));
    }
}

#[test]
fn a_program_that_shows_it_alone_is_compared_like_several_that_do_together() {
    let mut rig = Rig::new(&[]);
    let take = Event::LockExt { lock: Ext::Spin, shared: false, attempt: false };
    rig.feed(&[take, Event::UnlockExt { lock: Ext::Spin }, hard(true), take]);
    assert_eq!(rig.titles().len(), 1, "{:?}", rig.titles());
    let title = rig.titles()[0].to_owned();
    let alone = rig.engine.graph(4, &|_| None);
    assert_eq!(usages(&alone.gained(&takes(0, false, SPIN), &title).unwrap()), ["spin_lock {IN-HARDIRQ-W}"]);
    assert_eq!(alone.gained(&merged(&[takes(0, false, SPIN), takes(1, true, SPIN)]), &title), Some(vec![]));
}
