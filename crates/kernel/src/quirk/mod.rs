// SPDX-License-Identifier: GPL-2.0-only
//! Quirks: named behaviours that some trees have and others lack, live bugs included.
//!
//! Only their names and stories are here; what a quirk does is in the Model. To add one, add its row to `table.rs`, ask
//! for it in the Model (`self.quirks().has(Quirk::NAME)`), and write `corpora/quirks/NAME.percuss`, a program in which
//! the Model with it and the Model without it differ. The program decides whether a tree has it.

mod row;
mod table;

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use row::Row;
use serde::{Deserialize, Serialize};
use table::ROWS;

pub use row::{Effect, Fix};
pub use table::Quirk;

/// The name is no quirk's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a quirk; `percuss tree` lists them")]
pub struct UnknownQuirk(pub String);

impl Quirk {
    fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// The name in reports, in JSON and on the command line.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// What it is, in a few words.
    pub fn summary(self) -> &'static str {
        self.row().summary
    }

    /// What a tree with it does, and what a caller can see of that.
    pub fn story(self) -> &'static str {
        self.row().story
    }

    /// What it changes in a run.
    pub fn effect(self) -> Effect {
        self.row().effect
    }

    /// The change that ends it, when one is known.
    pub fn fix(self) -> Option<Fix> {
        self.row().fix
    }

    /// All quirks in the order in which they are probed. Each probe program compares an image with Models whose quirks
    /// are those decided so far, so a program should depend only on quirks before its own: by effect, then by row.
    pub fn in_probe_order() -> Vec<Quirk> {
        let mut all = Quirk::ALL.to_vec();
        all.sort_by_key(|quirk| quirk.effect().probe_stage());
        all
    }
}

/// By name: the order in which reports and JSON list findings of equal rank.
impl Ord for Quirk {
    fn cmp(&self, other: &Quirk) -> Ordering {
        self.name().cmp(other.name())
    }
}

impl PartialOrd for Quirk {
    fn partial_cmp(&self, other: &Quirk) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Quirk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Quirk {
    type Err = UnknownQuirk;

    fn from_str(name: &str) -> Result<Quirk, UnknownQuirk> {
        let known = Quirk::ALL.iter().find(|quirk| quirk.name() == name);
        known.copied().ok_or_else(|| UnknownQuirk(name.to_owned()))
    }
}

/// A set of quirks: those of a tree. Without a quirk the behaviour is the one that we hold to be right.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Quirks(u32);

const _: () = assert!(Quirk::ALL.len() <= u32::BITS as usize, "Quirks has one bit for each");

impl Quirks {
    /// No quirk at all.
    pub const fn none() -> Quirks {
        Quirks(0)
    }

    /// Those of `linux-source-6.12`.
    pub fn v6_12() -> Quirks {
        Quirk::ALL.iter().copied().filter(|quirk| quirk.row().v6_12).collect()
    }

    /// Those of `linux-source-6.1`.
    pub fn v6_1() -> Quirks {
        Quirk::ALL.iter().copied().filter(|quirk| quirk.row().v6_1).collect()
    }

    /// Whether a quirk is on.
    pub const fn has(self, quirk: Quirk) -> bool {
        self.0 & 1 << quirk as u32 != 0
    }

    /// These quirks and one more.
    #[must_use]
    pub const fn with(self, quirk: Quirk) -> Quirks {
        Quirks(self.0 | 1 << quirk as u32)
    }

    /// These quirks but for one.
    #[must_use]
    pub const fn without(self, quirk: Quirk) -> Quirks {
        Quirks(self.0 & !(1 << quirk as u32))
    }

    /// Quirks that these have and `others` lack.
    pub fn but_not(self, others: Quirks) -> Quirks {
        Quirks(self.0 & !others.0)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The quirks that are on, in the order of the table.
    pub fn iter(self) -> impl Iterator<Item = Quirk> {
        Quirk::ALL.iter().copied().filter(move |quirk| self.has(*quirk))
    }
}

impl FromIterator<Quirk> for Quirks {
    fn from_iter<I: IntoIterator<Item = Quirk>>(quirks: I) -> Quirks {
        quirks.into_iter().fold(Quirks::none(), Quirks::with)
    }
}

/// Those of 6.12, our first tree.
impl Default for Quirks {
    fn default() -> Quirks {
        Quirks::v6_12()
    }
}

impl fmt::Display for Quirks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        f.write_str(&self.iter().map(Quirk::name).collect::<Vec<_>>().join(" "))
    }
}

/// A list of names.
impl Serialize for Quirks {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Quirks {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Quirks, D::Error> {
        Ok(Vec::<Quirk>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_round_trip() {
        for quirk in Quirk::ALL {
            assert_eq!(quirk.name().parse(), Ok(*quirk));
        }
        assert_eq!("B0".parse::<Quirk>(), Err(UnknownQuirk("B0".to_owned())));
        let mut quirks = Quirks::none();
        assert_eq!(quirks.to_string(), "none");
        for quirk in Quirk::ALL {
            assert!(!quirks.has(*quirk));
            quirks = quirks.with(*quirk);
            assert!(quirks.has(*quirk) && quirks.without(*quirk).but_not(quirks).is_empty());
        }
        assert_eq!(
            quirks.to_string(),
            "B24 B25 B26 B50 B51 B36 warn-limit-sleepable B41 B14 queue-under-lock B15 B03 B03b B04 B05 B06 \
             backing-nofail caller-scopes noreclaim-scope backing-under-mutex"
        );
    }

    #[test]
    fn probes_of_hints_come_first_and_none_is_left_out() {
        let order = Quirk::in_probe_order();
        assert_eq!(order.iter().copied().collect::<Quirks>(), Quirk::ALL.iter().copied().collect());
        assert_eq!(order.len(), Quirk::ALL.len());
        assert!(order.is_sorted_by_key(|quirk| quirk.effect().probe_stage()));
        assert_eq!((order[0], order[order.len() - 1]), (Quirk::B24, Quirk::B15));
    }

    #[test]
    fn a_fix_is_shown_with_its_commit_when_it_has_one() {
        let shown = |quirk: Quirk| quirk.fix().map(|fix| fix.to_string());
        assert_eq!(shown(Quirk::B24).as_deref(), Some("percpu: fix wrong chunk hints update"));
        let with_commit = "9a5b183941b5 (\"mm, percpu: do not consider sleepable allocations atomic\")";
        assert_eq!(shown(Quirk::B03).as_deref(), Some(with_commit));
        assert_eq!(shown(Quirk::B50), None);
    }
}
