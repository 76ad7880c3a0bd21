// SPDX-License-Identifier: GPL-2.0-only
//! Graphs of several programs.

use petgraph::algo::is_cyclic_directed;
use petgraph::graphmap::DiGraphMap;
use proptest::prelude::*;

use super::{CallSite, Graph, Rig};

const NAMES: [&str; 4] = ["A", "B", "C", "D"];

/// The graph of a program that nests these pairs of classes.
fn program(number: u64, pairs: &[(usize, usize)]) -> Graph {
    let mut rig = Rig::abcd();
    for (a, b) in pairs.iter().filter(|(a, b)| a != b) {
        rig.nest(&[NAMES[*a], NAMES[*b]]);
    }
    rig.engine.graph(number, &|_| None)
}

fn merged(graphs: &[Graph]) -> Graph {
    let mut all = Graph::default();
    graphs.iter().for_each(|g| all.merge(g.clone()));
    all
}

#[test]
fn a_cycle_over_three_programs() {
    let all = merged(&[program(5, &[(0, 1)]), program(3, &[(1, 2)]), program(9, &[(2, 0), (1, 2)])]);
    let cycles = all.cycles();
    assert_eq!(cycles.len(), 1);
    assert_eq!(cycles[0].classes, ["A", "B", "C"]);
    let by: Vec<u64> = cycles[0].edges.iter().filter_map(|e| e.origin.as_ref()).map(|o| o.program).collect();
    assert_eq!(by, [5, 3, 9]);
}

#[test]
fn a_cycle_that_a_program_shows_alone_is_no_news() {
    let shown = program(1, &[(0, 1), (1, 0)]);
    assert!(shown.cycles().is_empty());
    let all = merged(&[program(0, &[(0, 1)]), shown, program(2, &[(1, 2), (2, 1)])]);
    assert!(all.cycles().is_empty());
}

#[test]
fn declared_edges_are_nobodys_and_close_cycles() {
    let alone = |first: &str, second: &str, number| {
        let mut rig = Rig::new(&[]);
        rig.nest(&[first, second]);
        rig.engine.graph(number, &|_| None)
    };
    let all = merged(&[alone("fs_lock", "pcpu_alloc_mutex", 0), alone("pcpu_alloc_mutex", "fs_reclaim", 1)]);
    let cycles = all.cycles();
    assert_eq!(cycles.len(), 1);
    assert_eq!(cycles[0].classes, ["fs_lock", "pcpu_alloc_mutex", "fs_reclaim"]);
    assert!(cycles[0].edges[2].origin.is_none());
}

#[test]
fn gained_and_lost() {
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
    rig.nest(&["pcpu_alloc_mutex", "fs_reclaim"]).nest(&["fs_reclaim", "pcpu_alloc_mutex"]);
    let site = |i| Some(CallSite { function: "f".into(), file: "percpu.c".into(), line: i });
    let graph = rig.engine.graph(4, &site);
    let text = serde_json::to_string(&graph).expect("a graph can be written");
    assert_eq!(serde_json::from_str::<Graph>(&text).expect("and read"), graph);
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
        // One edge a program: a cycle is nobody's own.
        let graphs: Vec<Graph> = programs.iter().enumerate().map(|(n, p)| program(n as u64, &[*p])).collect();
        let plain = DiGraphMap::<usize, ()>::from_edges(programs.iter().filter(|(a, b)| a != b));
        prop_assert_eq!(!merged(&graphs).cycles().is_empty(), is_cyclic_directed(&plain));
    }
}
