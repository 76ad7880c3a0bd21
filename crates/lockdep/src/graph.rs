// SPDX-License-Identifier: GPL-2.0-only
//! Lock graphs that outlive a program: merged over a campaign, compared between trees.
//!
//! Classes are names here, since the numbers of classes may differ between versions that write and read a graph.
//! Everything is sorted, so that two graphs of the same programs are equal byte for byte.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::engine::Lockdep;
use super::matrix::Dep;
use super::place::Place;
use super::report::CallSite;
use super::trouble::{Name, Trouble};
use super::usage::Usage;

/// The program and place that made a dependency or usage first.
///
/// Origins are ordered as programs are, by index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    pub program: u64,
    pub place: Place,
    /// The call site; None on trees without debug information.
    pub site: Option<CallSite>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Edge {
    pub from: Name,
    pub to: Name,
    pub dep: Dep,
    /// The acquisition that made it first; None for declared dependencies, which need no program.
    pub origin: Option<Origin>,
}

/// A usage of a class with regard to interrupts, with the acquisition that showed it first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Use {
    pub class: Name,
    pub usage: Usage,
    pub origin: Origin,
}

/// A part of a conflict that one program can contribute, without its origin.
///
/// A composed program is checked by these: it must show every part.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Part {
    Edge(Name, Name, Dep),
    Use(Name, Usage),
}

type Edges = BTreeMap<(Name, Name, Dep), Option<Origin>>;
type Uses = BTreeMap<(Name, Usage), Origin>;

/// The dependencies and usages of any number of programs.
///
/// The kernel has one such graph from boot on. A campaign runs each program on an engine of its own, and merges what
/// they recorded here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Flat", into = "Flat")]
pub struct Graph {
    pub(super) edges: Edges,
    pub(super) uses: Uses,
    /// Troubles that single programs showed.
    ///
    /// They were reported already and are no conflicts over programs.
    pub(super) shown: BTreeSet<Trouble>,
}

/// A graph as it is serialized: JSON has no maps with composite keys.
#[derive(Serialize, Deserialize)]
struct Flat {
    edges: Vec<Edge>,
    uses: Vec<Use>,
    shown: BTreeSet<Trouble>,
}

impl From<Flat> for Graph {
    fn from(flat: Flat) -> Graph {
        let mut graph = Graph { shown: flat.shown, ..Graph::default() };
        for e in flat.edges {
            graph.insert((e.from, e.to, e.dep), e.origin);
        }
        for u in flat.uses {
            graph.insert_use((u.class, u.usage), u.origin);
        }
        graph
    }
}

impl From<Graph> for Flat {
    fn from(graph: Graph) -> Flat {
        Flat { edges: graph.edges().collect(), uses: graph.uses().collect(), shown: graph.shown }
    }
}

/// The difference of two graphs: of two versions of the tree that ran the same programs.
///
/// A patch that adds a dependency shows here even if nothing deadlocks yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    pub gained: Vec<Edge>,
    pub lost: Vec<Edge>,
}

impl Lockdep {
    /// The graph of this program alone, with origins of index `program`.
    ///
    /// `site` gives the call site of an event by its index.
    pub fn graph(&self, program: u64, site: &dyn Fn(u32) -> Option<CallSite>) -> Graph {
        let mut graph = Graph::default();
        self.record(&mut graph, program, site);
        graph
    }

    /// Adds this program to a graph.
    ///
    /// Looks up call sites only of origins that the graph keeps, as a look-up is slow.
    pub fn record(&self, graph: &mut Graph, program: u64, site: &dyn Fn(u32) -> Option<CallSite>) {
        // Names are borrowed from the table: recording happens after each program, and allocates only for what is new.
        let name = |c| Name::Borrowed(self.table.name(c));
        let origin = |place: Place| Origin { program, place, site: site(place.index) };
        // A lock without a stable name may be another lock in the next program; see `Class::is_unstable`.
        for link in self.links.iter().filter(|l| !l.from.is_unstable() && !l.to.is_unstable()) {
            let key = (name(link.from), name(link.to), link.dep);
            let known = graph.edges.get(&key).map(|o| o.as_ref().map(|o| o.program));
            // An earlier program stays the origin, and a declared dependency stays declared.
            if known.is_none_or(|by| by.is_some_and(|by| by >= program)) {
                graph.insert(key, link.origin.map(origin));
            }
        }
        for mark in self.marks.iter().filter(|m| !m.class.is_unstable()) {
            let key = (name(mark.class), mark.usage);
            if graph.uses.get(&key).is_none_or(|by| by.program >= program) {
                graph.insert_use(key, origin(mark.place));
            }
        }
        // Conflicts leave these out, as the program itself is a better reproducer than a composed one.
        graph.shown.extend(self.reports.iter().filter_map(Trouble::of));
    }
}

impl Graph {
    /// Inserts a dependency with its origin; of two origins the lower stays, so that the order of insertion does not
    /// matter.
    fn insert(&mut self, key: (Name, Name, Dep), origin: Option<Origin>) {
        match self.edges.entry(key) {
            std::collections::btree_map::Entry::Vacant(e) => {
                e.insert(origin);
            }
            std::collections::btree_map::Entry::Occupied(mut e) => {
                // None is less than any origin, so a declared dependency stays declared.
                if origin < *e.get() {
                    e.insert(origin);
                }
            }
        }
    }

    fn insert_use(&mut self, key: (Name, Usage), origin: Origin) {
        self.uses.entry(key).and_modify(|old| *old = old.clone().min(origin.clone())).or_insert(origin);
    }

    /// Adds another graph.
    ///
    /// Merging is commutative, associative and idempotent, so workers may finish in any order and report twice.
    pub fn merge(&mut self, other: Graph) {
        for (key, origin) in other.edges {
            self.insert(key, origin);
        }
        for (key, origin) in other.uses {
            self.insert_use(key, origin);
        }
        self.shown.extend(other.shown);
    }

    /// The graph with `program` as the origin of its dependencies.
    pub fn of_program(mut self, program: u64) -> Graph {
        self.edges.values_mut().flatten().for_each(|origin| origin.program = program);
        self
    }

    pub fn edges(&self) -> impl Iterator<Item = Edge> {
        self.edges.iter().map(|(k, o)| edge(k, o))
    }

    pub fn uses(&self) -> impl Iterator<Item = Use> {
        self.uses.iter().map(|((class, usage), origin)| Use {
            class: class.clone(),
            usage: *usage,
            origin: origin.clone(),
        })
    }

    pub fn has(&self, part: &Part) -> bool {
        match part {
            Part::Edge(from, to, dep) => self.edges.contains_key(&(from.clone(), to.clone(), *dep)),
            Part::Use(class, usage) => self.uses.contains_key(&(class.clone(), *usage)),
        }
    }

    /// Makes `program` the origin of everything in the graph, as for a program that ran in a batch of its own.
    pub fn attribute(&mut self, program: u64) {
        let origins = self.edges.values_mut().flatten().chain(self.uses.values_mut());
        origins.for_each(|o| o.program = program);
    }

    pub fn len(&self) -> usize {
        self.edges.len()
    }

    pub fn is_empty(&self) -> bool {
        self.edges.is_empty()
    }

    /// What `other` has gained and lost against this graph.
    ///
    /// Origins are not compared.
    pub fn difference(&self, other: &Graph) -> Difference {
        // The kind is part of the key: a dependency that became a writer's shows as gained and lost.
        let only = |a: &Graph, b: &Graph| {
            a.edges.iter().filter(|(k, _)| !b.edges.contains_key(k)).map(|(k, o)| edge(k, o)).collect()
        };
        Difference { gained: only(other, self), lost: only(self, other) }
    }
}

pub(super) fn edge(key: &(Name, Name, Dep), origin: &Option<Origin>) -> Edge {
    Edge { from: key.0.clone(), to: key.1.clone(), dep: key.2, origin: origin.clone() }
}
