// SPDX-License-Identifier: GPL-2.0-only
//! Lock graphs that outlive a program: merged over a campaign, compared between trees.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::conflict::Trouble;
use super::engine::Lockdep;
use super::matrix::Dep;
use super::place::Place;
use super::report::CallSite;
use super::usage::Usage;

/// Name of a class.
pub type Name = Cow<'static, str>;

/// The first that made an edge. The order is the one in which they came.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// Index of the program.
    pub program: u64,
    /// Where in it.
    pub place: Place,
    /// The call site when known.
    pub site: Option<CallSite>,
}

/// A dependency: `to` was taken with `from` held.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Edge {
    /// The lock held.
    pub from: Name,
    /// The lock taken.
    pub to: Name,
    /// As what they were taken.
    pub dep: Dep,
    /// Who made it first; nobody did when it is declared.
    pub origin: Option<Origin>,
}

/// A class was used in a way that matters to interrupts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Use {
    /// The lock.
    pub class: Name,
    /// How: taken in an interrupt, or held with it enabled.
    pub usage: Usage,
    /// Who used it so first.
    pub origin: Origin,
}

/// What a program can contribute to a conflict.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Part {
    /// An edge: from, to, and as what they were taken.
    Edge(Name, Name, Dep),
    /// A usage of a class.
    Use(Name, Usage),
}

type Edges = BTreeMap<(Name, Name, Dep), Option<Origin>>;
type Uses = BTreeMap<(Name, Usage), Origin>;

/// Edges of any number of programs, and how they used the classes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Flat", into = "Flat")]
pub struct Graph {
    pub(super) edges: Edges,
    pub(super) uses: Uses,
    /// What single programs showed.
    pub(super) shown: BTreeSet<Trouble>,
}

/// A graph as it is written.
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

/// What one graph has and the other lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Edges of the second only.
    pub gained: Vec<Edge>,
    /// Edges of the first only.
    pub lost: Vec<Edge>,
}

impl Lockdep {
    /// The edges and usages of this program.
    pub fn graph(&self, program: u64, site: &dyn Fn(u32) -> Option<CallSite>) -> Graph {
        let mut graph = Graph::default();
        self.record(&mut graph, program, site);
        graph
    }

    /// Adds the edges and usages of this program to a graph; asks for call sites of those only that stay.
    pub fn record(&self, graph: &mut Graph, program: u64, site: &dyn Fn(u32) -> Option<CallSite>) {
        let name = |c| Name::Borrowed(self.table.name(c));
        let origin = |place: Place| Origin { program, place, site: site(place.index) };
        for link in self.links.iter().filter(|l| !l.from.is_unstable() && !l.to.is_unstable()) {
            let key = (name(link.from), name(link.to), link.dep);
            let known = graph.edges.get(&key).map(|o| o.as_ref().map(|o| o.program));
            // An edge of an earlier program stays, and so does a declared one.
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
        graph.shown.extend(self.reports.iter().filter_map(Trouble::of));
    }
}

impl Graph {
    /// Keeps the lowest origin of an edge, so that the order of insertion does not matter.
    fn insert(&mut self, key: (Name, Name, Dep), origin: Option<Origin>) {
        match self.edges.entry(key) {
            std::collections::btree_map::Entry::Vacant(e) => {
                e.insert(origin);
            }
            std::collections::btree_map::Entry::Occupied(mut e) => {
                if origin < *e.get() {
                    e.insert(origin);
                }
            }
        }
    }

    fn insert_use(&mut self, key: (Name, Usage), origin: Origin) {
        self.uses.entry(key).and_modify(|old| *old = old.clone().min(origin.clone())).or_insert(origin);
    }

    /// Takes in another graph.
    pub fn merge(&mut self, other: Graph) {
        for (key, origin) in other.edges {
            self.insert(key, origin);
        }
        for (key, origin) in other.uses {
            self.insert_use(key, origin);
        }
        self.shown.extend(other.shown);
    }

    /// The graph of one program, with that program's index.
    pub fn of_program(mut self, program: u64) -> Graph {
        self.edges.values_mut().flatten().for_each(|origin| origin.program = program);
        self
    }

    /// All edges, by name.
    pub fn edges(&self) -> impl Iterator<Item = Edge> {
        self.edges.iter().map(|(k, o)| edge(k, o))
    }

    /// All usages, by name.
    pub fn uses(&self) -> impl Iterator<Item = Use> {
        self.uses.iter().map(|((class, usage), origin)| Use {
            class: class.clone(),
            usage: *usage,
            origin: origin.clone(),
        })
    }

    /// True when some program did this.
    pub fn has(&self, part: &Part) -> bool {
        match part {
            Part::Edge(from, to, dep) => self.edges.contains_key(&(from.clone(), to.clone(), *dep)),
            Part::Use(class, usage) => self.uses.contains_key(&(class.clone(), *usage)),
        }
    }

    /// All that is in it was done by the program of this number.
    pub fn attribute(&mut self, program: u64) {
        let origins = self.edges.values_mut().flatten().chain(self.uses.values_mut());
        origins.for_each(|o| o.program = program);
    }

    /// Number of edges.
    pub fn len(&self) -> usize {
        self.edges.len()
    }

    /// True without edges.
    pub fn is_empty(&self) -> bool {
        self.edges.is_empty()
    }

    /// What `other` has gained and lost against this graph; who made an edge does not matter.
    pub fn difference(&self, other: &Graph) -> Difference {
        let only = |a: &Graph, b: &Graph| {
            a.edges.iter().filter(|(k, _)| !b.edges.contains_key(k)).map(|(k, o)| edge(k, o)).collect()
        };
        Difference { gained: only(other, self), lost: only(self, other) }
    }
}

pub(super) fn edge(key: &(Name, Name, Dep), origin: &Option<Origin>) -> Edge {
    Edge { from: key.0.clone(), to: key.1.clone(), dep: key.2, origin: origin.clone() }
}
