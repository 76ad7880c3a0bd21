// SPDX-License-Identifier: GPL-2.0-only
//! Places in the source that programs reached, of an image that counts which parts of it run.
//!
//! A worker knows a place only as counters: what file and line it is, and how that is said, is the business of the image's
//! room.

use serde::{Deserialize, Serialize};

/// Counters with a factor each. The part of the code that they count ran as often as their sum says.
pub type Sum = Vec<(i32, u32)>;

/// Places by number, each with the parts of the code that it holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places(pub Vec<Vec<Sum>>);

impl Places {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the places that ran, by the counters of one program. `whole`: it came to its end.
    ///
    /// The compiler counts one way out of a branch and leaves the other to a subtraction. A task that was stopped in
    /// between has taken neither, and the difference would say that it took the second: then only what is counted
    /// itself is believed.
    pub fn add_reached(&self, counts: &[u64], whole: bool, reached: &mut Reached) {
        let ran = |sum: &Sum| {
            let count = |(factor, counter): &(i32, u32)| {
                let count = counts.get(*counter as usize).copied().unwrap_or(0);
                i64::from(*factor) * count as i64
            };
            (whole || sum.iter().all(|(factor, _)| *factor > 0)) && sum.iter().map(count).sum::<i64>() > 0
        };
        for (place, sums) in self.0.iter().enumerate() {
            if !reached.has(place) && sums.iter().any(ran) {
                reached.add(place);
            }
        }
    }
}

/// The places that some programs reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reached(Vec<u64>);

impl Reached {
    pub fn has(&self, place: usize) -> bool {
        self.0.get(place / 64).is_some_and(|word| word >> (place % 64) & 1 != 0)
    }

    pub fn add(&mut self, place: usize) {
        if self.0.len() <= place / 64 {
            self.0.resize(place / 64 + 1, 0);
        }
        self.0[place / 64] |= 1 << (place % 64);
    }

    /// Adds what other programs reached; the order does not matter.
    pub fn merge(&mut self, other: &Reached) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(mine, theirs)| *mine |= theirs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_counts_only_for_a_whole_program() {
        let places = Places(vec![vec![vec![(1, 0)]], vec![vec![(1, 0), (-1, 1)]], vec![vec![(1, 1)]], vec![]]);
        let reached = |counts: &[u64], whole| {
            let mut reached = Reached::default();
            places.add_reached(counts, whole, &mut reached);
            [0, 1, 2, 3].map(|place| reached.has(place))
        };
        assert_eq!(reached(&[2, 1], true), [true, true, true, false]);
        assert_eq!(reached(&[2, 1], false), [true, false, true, false]);
        assert_eq!(reached(&[2, 2], true), [true, false, true, false]);
        assert_eq!(reached(&[0, 0], true), [false; 4]);
    }

    #[test]
    fn what_is_reached_adds_up() {
        let (mut a, mut b) = (Reached::default(), Reached::default());
        a.add(3);
        b.add(70);
        let first = a.clone();
        a.merge(&b);
        b.merge(&first);
        assert_eq!(a, b);
        assert!(a.has(3) && a.has(70) && !a.has(4) && !a.has(1000));
    }
}
