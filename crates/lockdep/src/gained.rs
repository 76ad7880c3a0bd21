// SPDX-License-Identifier: GPL-2.0-only
//! What is new in a trouble: the parts that another graph has not.
//!
//! A cycle is new if one of its dependencies is. Which program showed it, and whether the other tree was ever brought
//! to the same cycle, makes no difference: with all of its dependencies there, the cycle is there.

use super::conflict::Conflict;
use super::graph::{Graph, Part, Use};
use super::matrix::Dep;
use super::trouble::{Name, Trouble};
use super::usage;

impl Graph {
    /// The parts that `base` has not, of all troubles of this graph that are reported with this title.
    ///
    /// Empty when every part is in `base`; None when the title is of no trouble of the graph, such as that of a report
    /// about one context.
    pub fn gained(&self, base: &Graph, title: &str) -> Option<Vec<Part>> {
        let mut parts = Vec::new();
        let mut any = false;
        for trouble in self.troubles() {
            if self.has_title(&trouble, title) {
                any = true;
                parts.extend(self.parts_of(&trouble).into_iter().filter(|part| !base.has(part)));
            }
        }
        parts.sort();
        parts.dedup();
        any.then_some(parts)
    }

    fn has_title(&self, trouble: &Trouble, title: &str) -> bool {
        // The headline of an order of interrupts names a usage of the first class, of which it may have several.
        let first = match trouble {
            Trouble::IrqOrder { soft, path } => self.uses_of(&path[..1], *soft),
            Trouble::State { .. } | Trouble::Cycle(_) => Vec::new(),
        };
        let conflict = |uses| Conflict { trouble: trouble.clone(), edges: Vec::new(), uses };
        conflict(first.clone()).is_title(title) || first.into_iter().any(|u| conflict(vec![u]).is_title(title))
    }

    /// Every dependency and usage that the trouble can be made of.
    fn parts_of(&self, trouble: &Trouble) -> Vec<Part> {
        let (pairs, uses): (Vec<(&Name, &Name)>, Vec<Use>) = match trouble {
            Trouble::Cycle(names) => {
                // The last is taken before the first again.
                let next = names.iter().cycle().skip(1);
                (names.iter().zip(next).collect(), Vec::new())
            }
            Trouble::IrqOrder { soft, path } => {
                let ends = [path.first().cloned(), path.last().cloned()].into_iter().flatten().collect::<Vec<_>>();
                (path.iter().zip(path.iter().skip(1)).collect(), self.uses_of(&ends, *soft))
            }
            Trouble::State { soft, class } => (Vec::new(), self.uses_of(std::slice::from_ref(class), *soft)),
        };
        let edges = pairs
            .into_iter()
            .flat_map(|(from, to)| Dep::ALL.map(|dep| Part::Edge(from.clone(), to.clone(), dep)))
            .filter(|part| self.has(part));
        edges.chain(uses.into_iter().map(|u| Part::Use(u.class, u.usage))).collect()
    }

    fn uses_of(&self, classes: &[Name], soft: bool) -> Vec<Use> {
        let irq = usage::of_irq(soft);
        self.uses().filter(|u| classes.contains(&u.class) && u.usage.bit() & irq != 0).collect()
    }
}
