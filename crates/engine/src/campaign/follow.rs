// SPDX-License-Identifier: GPL-2.0-only
//! Which change follows from which: what only ever comes after another change in the programs that show it may be no
//! more than its consequence.

use std::collections::BTreeMap;

use crate::judge::{Class, Key, Seen, Shown, stands_alone};

/// How often a change was seen, and the program that shows it best: the shortest in which it comes first, of equally
/// short ones the first.
#[derive(Clone)]
pub(super) struct Noted {
    pub count: u64,
    /// Programs in which no other change comes before it.
    leads: u64,
    /// Changes that come first in the other programs, with the number of programs.
    after: BTreeMap<Key, u64>,
    ops: usize,
    pub program: usize,
    /// The program shows it with whole ops.
    pub whole: bool,
    pub sites: Vec<String>,
}

impl Noted {
    /// The change that comes first in a program. What may well be a consequence comes after all others, and in one op
    /// the more telling class is first.
    pub fn first(seen: &Seen) -> Option<Key> {
        let rank = |(key, shown): &(&Key, &Shown)| {
            let class = match key.0 {
                Class::Boot => 0,
                Class::Masks if stands_alone(key) => 1,
                Class::Reports => 2,
                Class::Results => 3,
                Class::Order => 4,
                // An edge or a request that only one side has is looked for in all programs, and may not be kept.
                Class::Masks | Class::Edges | Class::Pressure => 5,
            };
            (class == 5, shown.at, class)
        };
        // What boot does explains nothing of the ops.
        let of_ops = seen.iter().filter(|(key, _)| key.0 != Class::Boot);
        of_ops.min_by_key(rank).map(|(key, _)| key.clone())
    }

    pub fn new(key: &Key, shown: Shown, first: Option<&Key>, (program, ops): (usize, usize), whole: bool) -> Noted {
        let leads = stands_alone(key) || first == Some(key);
        let after = first.filter(|_| !leads).map(|first| (first.clone(), 1)).into_iter().collect();
        Noted { count: 1, leads: leads.into(), after, ops, program, whole, sites: shown.sites }
    }

    pub fn merge(&mut self, other: Noted) {
        let (count, leads) = (self.count + other.count, self.leads + other.leads);
        let mut after = std::mem::take(&mut self.after);
        other.after.iter().for_each(|(key, n)| *after.entry(key.clone()).or_default() += n);
        let best = |n: &Noted| (n.leads == 0, n.ops, n.program);
        if best(&other) < best(self) {
            *self = other;
        }
        (self.count, self.leads, self.after) = (count, leads, after);
    }
}

/// For each change that never comes first, the one that does most often before it, if that is kept.
pub(super) fn parents(kept: &[(Key, Noted)]) -> BTreeMap<Key, Key> {
    let leads = |key: &Key| kept.iter().any(|(other, noted)| other == key && noted.leads > 0);
    let mut out = BTreeMap::new();
    for (key, noted) in kept.iter().filter(|(_, noted)| noted.leads == 0) {
        // Of equals the first in order, so that it does not depend on the number of jobs.
        let mut causes: Vec<(&Key, u64)> = noted.after.iter().map(|(key, n)| (key, *n)).collect();
        causes.sort_by_key(|(key, n)| (std::cmp::Reverse(*n), (*key).clone()));
        if let Some((cause, _)) = causes.into_iter().find(|(cause, _)| leads(cause)) {
            out.insert(key.clone(), cause.clone());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(class: Class, what: &str) -> Key {
        (class, what.to_owned())
    }

    fn seen(some: &[(&Key, u32)]) -> Seen {
        some.iter().map(|(key, at)| ((*key).clone(), Shown { sites: Vec::new(), at: *at })).collect()
    }

    #[test]
    fn what_never_comes_first_follows() {
        let [result, order] = [key(Class::Results, "fail"), key(Class::Order, "a instead of b")];
        let [mask, edge] = [key(Class::Masks, "f: X instead of Y"), key(Class::Edges, "+ a -> b")];
        let programs = [
            seen(&[(&result, 3), (&order, 5), (&edge, 1)]),
            seen(&[(&result, 2), (&mask, 4)]),
            seen(&[(&order, 7), (&result, 6)]),
        ];
        let mut all: BTreeMap<Key, Noted> = BTreeMap::new();
        for (i, seen) in programs.iter().enumerate() {
            let first = Noted::first(seen);
            assert_eq!(first.as_ref(), Some(&result), "an edge may be a consequence even when it is early");
            for (key, shown) in seen {
                let noted = Noted::new(key, shown.clone(), first.as_ref(), (i, 1), false);
                match all.get_mut(key) {
                    Some(old) => old.merge(noted),
                    None => drop(all.insert(key.clone(), noted)),
                }
            }
        }
        let kept: Vec<(Key, Noted)> = all.into_iter().collect();
        let parents = parents(&kept);
        assert_eq!(parents.get(&order), Some(&result));
        assert_eq!(parents.get(&edge), Some(&result));
        assert_eq!((parents.get(&mask), parents.get(&result)), (None, None), "a mask is told of the source");
        // Without its cause, a change stands for itself.
        let alone: Vec<(Key, Noted)> = kept.into_iter().filter(|(key, _)| *key == order).collect();
        assert!(super::parents(&alone).is_empty());
    }
}
