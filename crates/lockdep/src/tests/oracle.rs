// SPDX-License-Identifier: GPL-2.0-only
//! The engine against a brute-force search: every held lock is a dependency, and a strong cycle is a cycle of
//! dependencies that join.

use petgraph::algo::tarjan_scc;
use petgraph::graph::DiGraph;
use proptest::prelude::*;

use super::{Kind, Options, Read, Rig, SLEEP};

const NAMES: [&str; 6] = ["A", "B", "C", "D", "E", "F"];

/// A step of a task: takes a class, or (when it holds it) releases it.
///
/// So every sequence of steps is a valid history, and no recursion disturbs the comparison.
#[derive(Clone, Copy, Debug)]
struct Step {
    task: usize,
    class: usize,
    read: Read,
    attempt: bool,
}

type Dependency = (usize, usize, Read, Read);

#[derive(Default)]
struct Brute {
    held: [Vec<(usize, Read)>; 3],
    dependencies: Vec<Dependency>,
}

impl Brute {
    /// True when the step takes the lock, false when it releases it.
    fn step(&mut self, s: Step) -> bool {
        let held = &mut self.held[s.task];
        if let Some(at) = held.iter().position(|h| h.0 == s.class) {
            held.remove(at);
            return false;
        }
        if !s.attempt {
            for (class, read) in held.iter() {
                let d = (*class, s.class, *read, s.read);
                if !self.dependencies.contains(&d) {
                    self.dependencies.push(d);
                }
            }
        }
        held.push((s.class, s.read));
        true
    }

    /// Dependencies follow each other unless the first ends at a recursive reader and the second begins at a reader.
    ///
    /// A cycle of dependencies that follow each other is a strong cycle of classes.
    fn deadlocks(&self) -> bool {
        let mut graph = DiGraph::<(), ()>::new();
        let nodes: Vec<_> = self.dependencies.iter().map(|_| graph.add_node(())).collect();
        for (i, a) in self.dependencies.iter().enumerate() {
            for (j, b) in self.dependencies.iter().enumerate() {
                if a.1 == b.0 && !(a.3 == Read::Recursive && b.2 != Read::Exclusive) {
                    graph.add_edge(nodes[i], nodes[j], ());
                }
            }
        }
        tarjan_scc(&graph).iter().any(|c| c.len() > 1)
    }

    /// Classes that reach each other, whatever the kinds.
    ///
    /// The engine leaves out dependencies that follow from others, which must not change these.
    fn knots(edges: impl Iterator<Item = (usize, usize)>) -> Vec<Vec<usize>> {
        let mut graph = DiGraph::<usize, ()>::new();
        let nodes: Vec<_> = (0..NAMES.len()).map(|n| graph.add_node(n)).collect();
        for (a, b) in edges {
            graph.update_edge(nodes[a], nodes[b], ());
        }
        let mut knots: Vec<Vec<usize>> =
            tarjan_scc(&graph).into_iter().map(|c| c.into_iter().map(|n| graph[n]).collect()).collect();
        knots.iter_mut().for_each(|k: &mut Vec<usize>| k.sort_unstable());
        knots.sort();
        knots
    }
}

fn steps(reads: impl Strategy<Value = Read> + Clone + 'static) -> impl Strategy<Value = Vec<Step>> {
    // Few tasks, few classes and many steps: most histories then contain a cycle or nearly do.
    let step = (0..3usize, 0..NAMES.len(), reads, prop::bool::weighted(0.2))
        .prop_map(|(task, class, read, attempt)| Step { task, class, read, attempt });
    prop::collection::vec(step, 0..40)
}

fn run(rig: &mut Rig, s: Step, takes: bool) {
    rig.engine.switch(s.task);
    let (class, index) = (rig.class(NAMES[s.class]), rig.step());
    match (takes, s.attempt) {
        (false, _) => rig.engine.release(index, class),
        (true, true) => rig.engine.try_acquire(index, class, s.read),
        (true, false) => rig.engine.acquire(index, class, s.read),
    }
}

fn rig() -> Rig {
    let classes = NAMES.map(|n| (n, SLEEP));
    Rig::with(&classes, Options { declared: false, ..Options::default() })
}

fn circular(rig: &Rig) -> bool {
    rig.engine.reports().iter().any(|r| r.kind == Kind::Circular)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn exclusive_locks(steps in steps(Just(Read::Exclusive))) {
        let (mut rig, mut brute) = (rig(), Brute::default());
        for s in steps {
            let takes = brute.step(s);
            run(&mut rig, s, takes);
            // After every step, so that the engine reports neither early nor late.
            prop_assert_eq!(circular(&rig), brute.deadlocks());
        }
        // The engine keeps fewer edges, and they connect the same.
        let at = |name: &str| NAMES.iter().position(|n| *n == name).expect("one of the names");
        let kept: Vec<_> = rig.engine.graph(0, &|_| None).edges().map(|e| (at(&e.from), at(&e.to))).collect();
        let all = brute.dependencies.iter().map(|d| (d.0, d.1));
        prop_assert_eq!(Brute::knots(kept.into_iter()), Brute::knots(all));
        prop_assert!(rig.engine.reports().iter().all(|r| r.kind == Kind::Circular));
    }

    #[test]
    fn readers_and_writers(steps in steps(prop::sample::select(vec![Read::Exclusive, Read::Shared, Read::Recursive]))) {
        let (mut rig, mut brute) = (rig(), Brute::default());
        for s in steps {
            let takes = brute.step(s);
            run(&mut rig, s, takes);
            prop_assert_eq!(circular(&rig), brute.deadlocks(), "{:?}", brute.dependencies);
        }
    }

    /// The edges of every report join, lead round, and are strong at each joint.
    #[test]
    fn a_report_is_a_cycle(steps in steps(prop::sample::select(vec![Read::Exclusive, Read::Shared, Read::Recursive]))) {
        let (mut rig, mut brute) = (rig(), Brute::default());
        for s in steps {
            let takes = brute.step(s);
            run(&mut rig, s, takes);
        }
        for r in rig.engine.reports().iter().filter(|r| r.kind == Kind::Circular) {
            prop_assert_eq!(r.edges.len(), r.chain().len());
            for (n, link) in r.edges.iter().enumerate() {
                let next = &r.edges[(n + 1) % r.edges.len()];
                prop_assert_eq!(link.to, next.from);
                prop_assert!(!(link.dep.is_weak() && next.dep.from_reader()));
            }
        }
    }
}
