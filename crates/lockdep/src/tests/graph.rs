// SPDX-License-Identifier: GPL-2.0-only
//! Graphs of several programs: merging, comparing, and conflicts that no program shows alone.

use petgraph::algo::is_cyclic_directed;
use petgraph::graphmap::DiGraphMap;
use proptest::prelude::*;

use super::{CallSite, Graph, Part, Rig, Trouble};
use percuss_kernel::event::{Event, Ext};
use percuss_kernel::{Lock, STATIC_OTHERS};

const NAMES: [&str; 4] = ["A", "B", "C", "D"];

pub(super) fn program(number: u64, pairs: &[(usize, usize)]) -> Graph {
    let mut rig = Rig::abcd();
    for (a, b) in pairs.iter().filter(|(a, b)| a != b) {
        rig.nest(&[NAMES[*a], NAMES[*b]]);
    }
    rig.engine.graph(number, &|_| None)
}

pub(super) fn merged(graphs: &[Graph]) -> Graph {
    let mut all = Graph::default();
    graphs.iter().for_each(|g| all.merge(g.clone()));
    all
}

#[test]
fn a_cycle_over_three_programs() {
    // The numbers are neither sorted nor dense, as in a campaign that keeps only some programs.
    let all = merged(&[program(5, &[(0, 1)]), program(3, &[(1, 2)]), program(9, &[(2, 0), (1, 2)])]);
    let [cycle] = &all.conflicts()[..] else { panic!("one cycle") };
    assert_eq!(cycle.trouble, Trouble::Cycle(vec!["A".into(), "B".into(), "C".into()]));
    assert_eq!(cycle.title(), format!("{}: A --> B --> C", super::CIRCULAR));
    let by: Vec<u64> = cycle.parts().map(|(_, origin)| origin.program).collect();
    assert_eq!((by, cycle.programs()), (vec![5, 3, 9], [3, 5, 9].into()));
    assert!(cycle.parts().all(|(part, _)| all.has(&part)));
}

#[test]
fn a_cycle_that_a_program_shows_alone_is_no_news() {
    let shown = program(1, &[(0, 1), (1, 0)]);
    assert!(shown.conflicts().is_empty());
    // The second cycle shares B with the first; neither may come back when the graphs are merged.
    let all = merged(&[program(0, &[(0, 1)]), shown, program(2, &[(1, 2), (2, 1)])]);
    assert!(all.conflicts().is_empty());
}

#[test]
fn declared_edges_have_no_origin_and_close_cycles() {
    let alone = |first: &str, second: &str, number| {
        let mut rig = Rig::new(&[]);
        rig.nest(&[first, second]);
        rig.engine.graph(number, &|_| None)
    };
    // The third dependency, fs_reclaim -> fs_lock, is declared; two programs suffice for the cycle.
    let all = merged(&[alone("fs_lock", "pcpu_alloc_mutex", 0), alone("pcpu_alloc_mutex", "fs_reclaim", 1)]);
    let [cycle] = &all.conflicts()[..] else { panic!("one cycle") };
    assert_eq!(cycle.title(), format!("{}: fs_lock --> pcpu_alloc_mutex --> fs_reclaim", super::CIRCULAR));
    assert!(cycle.edges[2].origin.is_none());
    assert_eq!(cycle.programs(), [0, 1].into());
}

#[test]
fn gained_and_lost() {
    // B -> C is in both, with different origins, which do not count as a difference.
    let (old, new) = (program(0, &[(0, 1), (1, 2)]), program(7, &[(1, 2), (3, 0)]));
    let difference = old.difference(&new);
    let names = |edges: &[super::Edge]| edges.iter().map(|e| format!("{} -> {}", e.from, e.to)).collect::<Vec<_>>();
    assert_eq!(names(&difference.gained), ["D -> A"]);
    assert_eq!(names(&difference.lost), ["A -> B"]);
    assert_eq!(old.difference(&old), super::Difference::default());
}

#[test]
fn written_and_read() {
    let mut rig = Rig::new(&[]);
    // Both orders, so that the graph has a trouble to write besides its dependencies.
    rig.nest(&["pcpu_alloc_mutex", "fs_reclaim"]).nest(&["fs_reclaim", "pcpu_alloc_mutex"]);
    let site = |i| Some(CallSite { function: "f".into(), file: "percpu.c".into(), line: i });
    let graph = rig.engine.graph(4, &site);
    let text = serde_json::to_string(&graph).expect("a graph can be written");
    assert_eq!(serde_json::from_str::<Graph>(&text).expect("and read"), graph);
}

pub(super) fn hard(enter: bool) -> Event {
    Event::Interrupt { hard: true, enter }
}

/// The graph of a program that takes these locks in this order and releases them, in a hard interrupt or not.
///
/// The program must break no rule by itself, so that what is found later is found over several programs.
pub(super) fn takes(number: u64, in_interrupt: bool, locks: &[Ext]) -> Graph {
    let mut rig = Rig::new(&[]);
    let take = locks.iter().map(|lock| Event::LockExt { lock: *lock, shared: false, attempt: false });
    let put = locks.iter().rev().map(|lock| Event::UnlockExt { lock: *lock });
    let inside: Vec<Event> = take.chain(put).collect();
    if in_interrupt {
        rig.feed(&[hard(true)]).feed(&inside).feed(&[hard(false)]);
    } else {
        rig.feed(&inside);
    }
    rig.clean();
    rig.engine.graph(number, &|_| None)
}

pub(super) const SPIN: &[Ext] = &[Ext::Spin];

#[test]
fn an_interrupt_and_a_task_that_it_may_interrupt() {
    // The handler of one program may interrupt the holder of the other.
    let (on, within) = (takes(4, false, SPIN), takes(2, true, SPIN));
    assert!(on.conflicts().is_empty() && within.conflicts().is_empty());
    let [conflict] = &merged(&[on, within]).conflicts()[..] else { panic!("one conflict") };
    assert_eq!(conflict.trouble, Trouble::State { soft: false, class: "spin_lock".into() });
    assert_eq!(conflict.title(), "WARNING: inconsistent lock state: spin_lock {IN-HARDIRQ-W} -> {HARDIRQ-ON-W}");
    // Which of the two comes second is a matter of the order of events.
    let mut rig = Rig::new(&[]);
    rig.lock("spin_lock").unlock("spin_lock").feed(&[hard(true)]).lock("spin_lock");
    assert!(conflict.is_title(rig.titles()[0]), "{:?}", rig.titles());
    assert!(rig.engine.graph(9, &|_| None).shows(&conflict.trouble));
    assert!(matches!(&conflict.parts().next(), Some((Part::Use(..), origin)) if origin.program == 2));
}

#[test]
fn a_lock_of_an_interrupt_and_a_lock_held_with_interrupts_on() {
    // An interrupt takes irq_lock; elsewhere spin_lock is taken under it; elsewhere that is held with interrupts on.
    let parts = [takes(7, true, &[Ext::IrqSpin]), takes(3, false, &[Ext::IrqSpin, Ext::Spin]), takes(5, false, SPIN)];
    for two in [[0, 1], [1, 2], [0, 2]] {
        assert!(merged(&two.map(|i| parts[i].clone())).conflicts().is_empty(), "{two:?}");
    }
    let all = merged(&parts);
    let [conflict] = &all.conflicts()[..] else { panic!("one conflict") };
    let order = "WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected: irq_lock --> spin_lock";
    assert_eq!(conflict.title(), order);
    assert_eq!(conflict.programs(), [3, 5, 7].into());
    assert_eq!(conflict.parts().filter(|(part, _)| matches!(part, Part::Use(..))).count(), 2);
    let inversion = "WARNING: possible irq lock inversion dependency detected: irq_lock --> spin_lock (HARDIRQ)";
    assert!(conflict.is_title(order) && conflict.is_title(inversion) && !conflict.is_title("irq_lock"));
    // Once a program shows it alone it is no news.
    let mut rig = Rig::new(&[]);
    let take = |lock| Event::LockExt { lock, shared: false, attempt: false };
    let put = |lock| Event::UnlockExt { lock };
    rig.feed(&[hard(true), take(Ext::IrqSpin), put(Ext::IrqSpin), hard(false), take(Ext::Spin), put(Ext::Spin)]);
    rig.feed(&[take(Ext::IrqSpin), take(Ext::Spin)]);
    rig.finds(&[order]);
    let alone = rig.engine.graph(8, &|_| None);
    assert!(merged(&[all, alone]).conflicts().is_empty());
}

#[test]
fn soft_interrupts_stay_distinct_when_merged() {
    let soft = |enter| Event::Interrupt { hard: false, enter };
    let mut rig = Rig::new(&[]);
    // The same two programs as for hard interrupts, with the first in a soft one.
    let take = Event::LockExt { lock: Ext::Spin, shared: false, attempt: false };
    rig.feed(&[soft(true), take, Event::UnlockExt { lock: Ext::Spin }, soft(false)]);
    let [conflict] = &merged(&[rig.engine.graph(1, &|_| None), takes(2, false, SPIN)]).conflicts()[..] else {
        panic!("one conflict")
    };
    assert_eq!(conflict.trouble, Trouble::State { soft: true, class: "spin_lock".into() });
}

#[test]
fn locks_without_a_name_of_their_own_are_not_merged() {
    // Numbers below STATIC_OTHERS are of static locks, which are the same in every program.
    let takes = |n: u8, number| {
        let mut rig = Rig::new(&[]);
        let take = |lock| Event::MutexLock { lock, killable: false, taken: true };
        rig.feed(&[take(Lock::AllocMutex), take(Lock::Other(n))]);
        rig.engine.graph(number, &|_| None)
    };
    assert!(takes(0, 1).edges().any(|e| e.to == "lock 0"));
    assert!(!takes(STATIC_OTHERS, 1).edges().any(|e| e.to.starts_with("lock ")));
}

fn pairs() -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::vec((0..4usize, 0..4usize), 0..6)
}

proptest! {
    #[test]
    fn the_order_of_merging_does_not_matter(
        programs in prop::collection::vec(pairs(), 1..6),
        order in any::<prop::sample::Index>(),
    ) {
        let graphs: Vec<Graph> = programs.iter().enumerate().map(|(n, p)| program(n as u64, p)).collect();
        let all = merged(&graphs);
        // Workers finish in any order, so every order must give the same bytes.
        let mut turned = graphs.clone();
        turned.rotate_left(order.index(graphs.len()));
        prop_assert_eq!(&merged(&turned), &all);
        turned.reverse();
        prop_assert_eq!(&merged(&turned), &all);
        // In two halves, and twice.
        let (a, b) = graphs.split_at(order.index(graphs.len()));
        prop_assert_eq!(&merged(&[merged(b), merged(a), merged(b)]), &all);
        // Recording into one graph is merging.
        for e in all.edges() {
            let lowest = graphs.iter().position(|g| g.edges().any(|o| (&o.from, &o.to) == (&e.from, &e.to)));
            prop_assert_eq!(e.origin.map(|o| o.program), lowest.map(|n| n as u64));
        }
    }

    #[test]
    fn cycles_are_found_when_there_are_any(programs in prop::collection::vec((0..4usize, 0..4usize), 0..8)) {
        // One edge a program: no single program closes a cycle.
        let graphs: Vec<Graph> = programs.iter().enumerate().map(|(n, p)| program(n as u64, &[*p])).collect();
        // All locks are exclusive here, so a strong cycle is a cycle.
        let plain = DiGraphMap::<usize, ()>::from_edges(programs.iter().filter(|(a, b)| a != b));
        prop_assert_eq!(!merged(&graphs).conflicts().is_empty(), is_cyclic_directed(&plain));
    }
}
