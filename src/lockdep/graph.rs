// SPDX-License-Identifier: GPL-2.0-only
//! Lock graphs that outlive a program: merged over a campaign, compared between trees.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::class::{CLASSES, Class};
use super::engine::Lockdep;
use super::matrix::{Dep, Matrix, Way};
use super::place::Place;
use super::report::{CallSite, Kind, rotate};

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

/// Edges of any number of programs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Flat", into = "Flat")]
pub struct Graph {
    edges: BTreeMap<(Name, Name, Dep), Option<Origin>>,
    /// Cycles that single programs showed, in canonical rotation.
    shown: BTreeSet<Vec<Name>>,
}

/// A graph as it is written.
#[derive(Serialize, Deserialize)]
struct Flat {
    edges: Vec<Edge>,
    shown: BTreeSet<Vec<Name>>,
}

impl From<Flat> for Graph {
    fn from(flat: Flat) -> Graph {
        let mut graph = Graph { edges: BTreeMap::new(), shown: flat.shown };
        for e in flat.edges {
            graph.insert((e.from, e.to, e.dep), e.origin);
        }
        graph
    }
}

impl From<Graph> for Flat {
    fn from(graph: Graph) -> Flat {
        Flat { edges: graph.edges().collect(), shown: graph.shown }
    }
}

/// A cycle over the edges of several programs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cycle {
    /// Its classes, the smallest name first.
    pub classes: Vec<Name>,
    /// Its edges in that order, with the program each is from.
    pub edges: Vec<Edge>,
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
    /// The edges of this program.
    pub fn graph(&self, program: u64, site: &dyn Fn(u32) -> Option<CallSite>) -> Graph {
        let mut graph = Graph::default();
        self.record(&mut graph, program, site);
        graph
    }

    /// Adds the edges of this program to a graph; asks for call sites of those only that stay.
    pub fn record(&self, graph: &mut Graph, program: u64, site: &dyn Fn(u32) -> Option<CallSite>) {
        let name = |c| Name::Borrowed(self.table.name(c));
        for link in &self.links {
            let key = (name(link.from), name(link.to), link.dep);
            let known = graph.edges.get(&key).map(|o| o.as_ref().map(|o| o.program));
            // An edge of an earlier program stays, and so does a declared one.
            if known.is_none_or(|by| by.is_some_and(|by| by >= program)) {
                let origin = link.origin.map(|place| Origin { program, place, site: site(place.index) });
                graph.insert(key, origin);
            }
        }
        for report in self.reports.iter().filter(|r| r.kind == Kind::Circular) {
            graph.shown.insert(report.chain().into_iter().map(Name::Borrowed).collect());
        }
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

    /// Takes in another graph.
    pub fn merge(&mut self, other: Graph) {
        for (key, origin) in other.edges {
            self.insert(key, origin);
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

    /// Cycles that no single program showed: the shortest through each edge.
    pub fn cycles(&self) -> Vec<Cycle> {
        let (names, matrix) = self.matrix();
        let class = |name: &Name| names.binary_search(&name).ok().map(|at| Class(at as u8));
        let mut found = BTreeMap::new();
        for (from, to, dep) in self.edges.keys() {
            let (Some(u), Some(v)) = (class(from), class(to)) else { continue };
            let back = matrix.search(Way::After, v, dep.is_weak(), |c, weak| c == u && (!dep.from_reader() || !weak));
            let Some(path) = back else { continue };
            let mut edges = self.along(&names, &matrix, &path, dep.is_weak());
            edges.extend(self.edges.get_key_value(&(from.clone(), to.clone(), *dep)).map(|(k, o)| edge(k, o)));
            let mut classes: Vec<Name> = edges.iter().map(|e| e.from.clone()).collect();
            if let Some(at) = (0..classes.len()).min_by_key(|at| &classes[*at]) {
                edges.rotate_left(at);
            }
            rotate(&mut classes);
            if !self.shown.contains(&classes) && !of_one_program(&edges) {
                found.entry(classes).or_insert(edges);
            }
        }
        found.into_iter().map(|(classes, edges)| Cycle { classes, edges }).collect()
    }

    /// The graph as bit rows, with the names of its classes in order. A graph of more classes than the engine knows is
    /// not of its making; the rest is left out.
    fn matrix(&self) -> (Vec<&Name>, Matrix) {
        let names: BTreeSet<&Name> = self.edges.keys().flat_map(|(from, to, _)| [from, to]).collect();
        let names: Vec<&Name> = names.into_iter().take(CLASSES).collect();
        let mut matrix = Matrix::new();
        for (from, to, dep) in self.edges.keys() {
            if let (Ok(u), Ok(v)) = (names.binary_search(&from), names.binary_search(&to)) {
                matrix.add(Class(u as u8), Class(v as u8), *dep);
            }
        }
        (names, matrix)
    }

    fn along(&self, names: &[&Name], matrix: &Matrix, path: &[Class], mut weak: bool) -> Vec<Edge> {
        path.windows(2)
            .filter_map(|pair| {
                let dep = matrix.kind(pair[0], pair[1], weak)?;
                weak = dep.is_weak();
                let key = (names[pair[0].at()].clone(), names[pair[1].at()].clone(), dep);
                self.edges.get(&key).map(|o| edge(&key, o))
            })
            .collect()
    }
}

fn edge(key: &(Name, Name, Dep), origin: &Option<Origin>) -> Edge {
    Edge { from: key.0.clone(), to: key.1.clone(), dep: key.2, origin: origin.clone() }
}

/// Declared edges are every program's.
fn of_one_program(edges: &[Edge]) -> bool {
    let mut programs = edges.iter().filter_map(|e| e.origin.as_ref()).map(|o| o.program);
    let first = programs.next();
    programs.all(|p| Some(p) == first)
}
