// SPDX-License-Identifier: GPL-2.0-only
//! Conflicts over several programs: what breaks a rule in the merged graph of a campaign though no single program broke
//! it.
//!
//! One program takes A and then B, another B and then A: each is fine, both together can deadlock. The kernel's lockdep
//! finds this too, as its graph lasts from boot on; a run here starts with an empty graph, so the graphs are merged.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::check::counted;
use super::class::{CLASSES, Class};
use super::graph::{Edge, Graph, Origin, Part, Use, edge};
use super::matrix::{Matrix, Way};
use super::report::{INCONSISTENT, IRQ_INVERSION, circular_headline, irq_order_headline, rotate};
use super::trouble::{Name, Trouble};
use super::usage::{self, ENABLED, USED_IN, Usage, Usages, WRITE};

/// A rule that several programs break together, with the dependencies and usages that make it up.
///
/// Each part names the program that it is from, so that a campaign can compose one program that breaks the rule alone
/// and proves the conflict.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Conflict {
    pub trouble: Trouble,
    /// The dependencies in the order of the classes; empty for [`Trouble::State`].
    pub edges: Vec<Edge>,
    /// The usages that conflict; empty for a cycle.
    pub uses: Vec<Use>,
}

impl Conflict {
    /// The title of the report that a single program would get for it.
    ///
    /// Findings are grouped by title, so a conflict and the report of the program composed from it count as one
    /// finding.
    pub fn title(&self) -> String {
        match &self.trouble {
            Trouble::Cycle(names) => {
                // The name and not the class: a graph that was read from a file has no table.
                let ours = names.iter().any(|n| n == "io_reclaim");
                format!("{}: {}", circular_headline(ours), names.join(" --> "))
            }
            Trouble::IrqOrder { path, .. } => {
                let irq = self.uses.first().map_or_else(String::new, |u| u.usage.irq_name());
                format!("{}: {}", irq_order_headline(&irq), path.join(" --> "))
            }
            Trouble::State { class, .. } => {
                let names: Vec<String> = self.uses.iter().map(|u| format!("{{{}}}", u.usage.name())).collect();
                format!("{INCONSISTENT}: {class} {}", names.join(" -> "))
            }
        }
    }

    /// True for the titles of reports that show it.
    ///
    /// A program that does all of it may show it under another title, by the order of its events: as a bad dependency
    /// or as an inversion.
    pub fn is_title(&self, title: &str) -> bool {
        match &self.trouble {
            // A cycle has one title whichever dependency closed it, since its classes are rotated.
            Trouble::Cycle(_) => title == self.title(),
            Trouble::IrqOrder { path, .. } => {
                let path = path.join(" --> ");
                // The dependency came first and the usage after it.
                title == self.title() || title.starts_with(&format!("{IRQ_INVERSION}: {path} ("))
            }
            Trouble::State { class, .. } => title.starts_with(&format!("{INCONSISTENT}: {class} {{")),
        }
    }

    /// The parts with their origins, in the order in which a composed program should do them: usages first, so that the
    /// last dependency finds them and reports.
    pub fn parts(&self) -> impl Iterator<Item = (Part, &Origin)> {
        let uses = self.uses.iter().map(|u| (Part::Use(u.class.clone(), u.usage), &u.origin));
        let edges = self
            .edges
            .iter()
            .filter_map(|e| Some((Part::Edge(e.from.clone(), e.to.clone(), e.dep), e.origin.as_ref()?)));
        uses.chain(edges)
    }

    /// The programs that the parts are from.
    ///
    /// A conflict has two at least.
    pub fn programs(&self) -> BTreeSet<u64> {
        self.parts().map(|(_, origin)| origin.program).collect()
    }
}

impl Graph {
    /// All conflicts that no single program showed.
    ///
    /// These are, for each dependency, the shortest cycle through it; the shortest path between each two classes of
    /// which an interrupt takes one and the other is held with it enabled; and each class that is both. Sorted, so that
    /// a campaign reports the same whatever the order in which workers finished.
    pub fn conflicts(&self) -> Vec<Conflict> {
        let mut found = Merged::of(self).all();
        // What a program shows alone has a reproducer already: its own.
        found.retain(|c| !self.shown.contains(&c.trouble) && c.programs().len() > 1);
        found.sort();
        found.dedup_by(|a, b| a.trouble == b.trouble);
        found
    }

    /// All troubles of the graph: those that programs showed alone, and those of its conflicts.
    pub(super) fn troubles(&self) -> BTreeSet<Trouble> {
        let mut all = self.shown.clone();
        all.extend(Merged::of(self).all().into_iter().map(|c| c.trouble));
        all
    }

    /// True if a program of the graph showed this trouble by itself, so that it was reported already.
    pub fn shows(&self, trouble: &Trouble) -> bool {
        self.shown.contains(trouble)
    }
}

/// A graph in the form that the engine's search needs: classes as numbers, dependencies as rows of bits.
///
/// The numbers are its own. Those of the engine that recorded the graph are not stored with it.
struct Merged<'g> {
    graph: &'g Graph,
    /// Sorted names; a class is its index in them.
    ///
    /// Names beyond the number of classes are left out: no graph of the engine has that many.
    names: Vec<&'g Name>,
    matrix: Matrix,
    usage: [Usages; CLASSES],
}

impl<'g> Merged<'g> {
    fn of(graph: &'g Graph) -> Merged<'g> {
        let names = graph.edges.keys().flat_map(|(from, to, _)| [from, to]).chain(graph.uses.keys().map(|(c, _)| c));
        let names: BTreeSet<&Name> = names.collect();
        let names: Vec<&Name> = names.into_iter().take(CLASSES).collect();
        let mut merged = Merged { graph, names, matrix: Matrix::new(), usage: [0; CLASSES] };
        for (from, to, dep) in graph.edges.keys() {
            if let (Some(u), Some(v)) = (merged.class(from), merged.class(to)) {
                merged.matrix.add(u, v, *dep);
            }
        }
        for (name, usage) in graph.uses.keys() {
            if let Some(class) = merged.class(name) {
                // Usages of all programs count together: an interrupt of one meets the holder of another.
                merged.usage[class.at()] |= usage.bit();
            }
        }
        merged
    }

    fn all(&self) -> Vec<Conflict> {
        let mut found = self.cycles();
        for soft in [false, true] {
            found.extend(self.states(soft));
            found.extend(self.irq_orders(soft));
        }
        found
    }

    fn class(&self, name: &Name) -> Option<Class> {
        self.names.binary_search(&name).ok().map(|at| Class(at as u8))
    }

    fn classes(&self) -> impl Iterator<Item = Class> + use<> {
        (0..self.names.len() as u8).map(Class)
    }

    fn name(&self, class: Class) -> Name {
        self.names[class.at()].clone()
    }

    /// For each dependency the shortest strong path back from its end, as `check_noncircular()` looks for one.
    ///
    /// A cycle of n dependencies is found n times; [`Graph::conflicts`] keeps one of them.
    fn cycles(&self) -> Vec<Conflict> {
        let mut found = Vec::new();
        for (key, origin) in &self.graph.edges {
            let (from, to, dep) = key;
            let (Some(u), Some(v)) = (self.class(from), self.class(to)) else { continue };
            // The joint where the cycle closes must be strong too.
            let back = |c, weak: bool| c == u && (!dep.from_reader() || !weak);
            let Some(path) = self.matrix.search(Way::After, v, dep.is_weak(), back) else { continue };
            let mut edges = self.along(&path, dep.is_weak());
            edges.push(edge(key, origin));
            let mut classes: Vec<Name> = edges.iter().map(|e| e.from.clone()).collect();
            // Dependencies and names are rotated alike, so that the first edge starts at the first name.
            if let Some(at) = (0..classes.len()).min_by_key(|at| &classes[*at]) {
                edges.rotate_left(at);
            }
            rotate(&mut classes);
            found.push(Conflict { trouble: Trouble::Cycle(classes), edges, uses: Vec::new() });
        }
        found
    }

    /// What `check_irq_usage()` checks for a new dependency, here for every two classes.
    ///
    /// In one program the new dependency limits the search. In a merged graph any path may be new.
    fn irq_orders(&self, soft: bool) -> Vec<Conflict> {
        let irq = usage::of_irq(soft);
        let with = |bits: Usages| self.classes().filter(move |c| self.usage[c.at()] & irq & bits != 0);
        let mut found = Vec::new();
        for safe in with(USED_IN) {
            let used_in = self.usage[safe.at()] & irq & USED_IN;
            // A reader in the interrupt is blocked only by a writer, so the path must start accordingly.
            let weak = used_in & WRITE == 0;
            for unsafe_ in with(ENABLED).filter(|c| *c != safe) {
                let enabled = |weak| counted(self.usage[unsafe_.at()], weak) & irq & ENABLED;
                let there = |c, weak| c == unsafe_ && enabled(weak) != 0;
                let Some(path) = self.matrix.search(Way::After, safe, weak, there) else { continue };
                let edges = self.along(&path, weak);
                // The usage named in the conflict must be one that blocks at the end of this very path.
                let ends_weak = edges.last().is_some_and(|e| e.dep.is_weak());
                let uses = [(safe, usage::first(used_in)), (unsafe_, usage::first(enabled(ends_weak)))];
                let path = path.iter().map(|c| self.name(*c)).collect();
                found.push(Conflict {
                    trouble: Trouble::IrqOrder { soft, path },
                    edges,
                    uses: uses.into_iter().filter_map(|(c, u)| self.a_use(c, u)).collect(),
                });
            }
        }
        found
    }

    /// What `mark_lock()` checks for a new usage, here for every class and every usage in an interrupt.
    fn states(&self, soft: bool) -> Vec<Conflict> {
        let irq = usage::of_irq(soft);
        let mut found = Vec::new();
        for class in self.classes() {
            let all = self.usage[class.at()] & irq;
            for used_in in usage::each(all & USED_IN) {
                // Two usages by readers do not conflict, so having both sorts of bits is not enough.
                let against = all & used_in.conflicts();
                if against == 0 {
                    continue;
                }
                let mut uses: Vec<Use> =
                    [used_in, usage::first(against)].into_iter().filter_map(|u| self.a_use(class, u)).collect();
                // In the order of programs, as if they had run one after the other.
                uses.sort_by_key(|u| u.origin.program);
                let trouble = Trouble::State { soft, class: self.name(class) };
                found.push(Conflict { trouble, edges: Vec::new(), uses });
            }
        }
        found
    }

    fn a_use(&self, class: Class, usage: Usage) -> Option<Use> {
        let class = self.name(class);
        let origin = self.graph.uses.get(&(class.clone(), usage))?.clone();
        Some(Use { class, usage, origin })
    }

    /// The dependencies along a path of the search, each of the strongest kind that the path allows.
    ///
    /// A path that the search returned has such a kind at each step, so none is left out.
    fn along(&self, path: &[Class], mut weak: bool) -> Vec<Edge> {
        path.windows(2)
            .filter_map(|pair| {
                let dep = self.matrix.kind(pair[0], pair[1], weak)?;
                weak = dep.is_weak();
                // The matrix has the kind without the program; the graph has both.
                let key = (self.name(pair[0]), self.name(pair[1]), dep);
                self.graph.edges.get(&key).map(|o| edge(&key, o))
            })
            .collect()
    }
}
