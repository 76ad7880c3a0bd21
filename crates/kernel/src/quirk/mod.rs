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

/// The name is no quirk's, as after a quirk was removed from the table and a file still names it.
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

    pub fn summary(self) -> &'static str {
        self.row().summary
    }

    /// What a tree with it does, and what a caller can see of that, in a few sentences for reports.
    pub fn story(self) -> &'static str {
        self.row().story
    }

    pub fn effect(self) -> Effect {
        self.row().effect
    }

    pub fn fix(self) -> Option<Fix> {
        self.row().fix
    }

    /// All quirks in the order in which they are probed. Each probe program compares an image with Models whose quirks
    /// are those decided so far, so a program should depend only on quirks before its own: by effect, then by row.
    pub fn in_probe_order() -> Vec<Quirk> {
        let mut all = Quirk::ALL.to_vec();
        // A stable sort, which keeps the order of rows within a stage.
        all.sort_by_key(|quirk| quirk.effect().probe_stage());
        all
    }
}

/// By name, which is the order in which reports and JSON list findings of equal rank; the order of the table is that of
/// [`Quirk::ALL`].
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
///
/// It is one word, since the Model asks for quirks on its hot paths.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Quirks(u32);

const _: () = assert!(Quirk::ALL.len() <= u32::BITS as usize, "Quirks has one bit for each");

impl Quirks {
    /// No quirk at all: a tree in which every known defect is fixed.
    pub const fn none() -> Quirks {
        Quirks(0)
    }

    // What probing finds in the two trees that every test has.
    pub fn v6_12() -> Quirks {
        Quirk::ALL.iter().copied().filter(|quirk| quirk.row().v6_12).collect()
    }

    pub fn v6_1() -> Quirks {
        Quirk::ALL.iter().copied().filter(|quirk| quirk.row().v6_1).collect()
    }

    /// The line of kernels that a version is of, such as `6.12`, with the quirks of its newest tree that percuss knows;
    /// None for a line of which it knows no tree.
    pub fn of_line(version: &str) -> Option<(&'static str, Quirks)> {
        let known = [("6.12", Quirks::v6_12()), ("6.1", Quirks::v6_1())];
        // `6.1` is not the line of `6.12`: a line ends before a point, or where the version does.
        known.into_iter().find(|(line, _)| {
            version.strip_prefix(line).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
        })
    }

    pub const fn has(self, quirk: Quirk) -> bool {
        self.0 & 1 << quirk as u32 != 0
    }

    #[must_use]
    pub const fn with(self, quirk: Quirk) -> Quirks {
        Quirks(self.0 | 1 << quirk as u32)
    }

    #[must_use]
    pub const fn without(self, quirk: Quirk) -> Quirks {
        Quirks(self.0 & !(1 << quirk as u32))
    }

    pub fn but_not(self, others: Quirks) -> Quirks {
        Quirks(self.0 & !others.0)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Quirk> {
        // In the order of the table, whatever order the set was built in.
        Quirk::ALL.iter().copied().filter(move |quirk| self.has(*quirk))
    }
}

impl FromIterator<Quirk> for Quirks {
    fn from_iter<I: IntoIterator<Item = Quirk>>(quirks: I) -> Quirks {
        // A quirk that is listed twice is there once.
        quirks.into_iter().fold(Quirks::none(), Quirks::with)
    }
}

/// Those of 6.12, against which the Model was written; a tree that was probed says which it has.
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

impl Serialize for Quirks {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // A list of names, so that a file stays readable and valid when rows of the table move.
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
        // Programs, corpora and saved findings name quirks, so each name must read back as itself.
        for quirk in Quirk::ALL {
            assert_eq!(quirk.name().parse(), Ok(*quirk));
        }
        // A name that looks like one and is none.
        assert_eq!("B0".parse::<Quirk>(), Err(UnknownQuirk("B0".to_owned())));
        let mut quirks = Quirks::none();
        assert_eq!(quirks.to_string(), "none");
        for quirk in Quirk::ALL {
            assert!(!quirks.has(*quirk));
            quirks = quirks.with(*quirk);
            assert!(quirks.has(*quirk) && quirks.without(*quirk).but_not(quirks).is_empty());
        }
        let names: Vec<&str> = Quirk::ALL.iter().map(|quirk| quirk.name()).collect();
        assert_eq!(quirks.to_string(), names.join(" "));
        assert_eq!(
            Quirks::none().with(Quirk::B26).with(Quirk::B24).to_string(),
            "B24 B26",
            "in the order of the table"
        );
    }

    #[test]
    fn a_version_is_of_one_line() {
        let line = |version| Quirks::of_line(version).map(|(line, _)| line);
        assert_eq!(
            [line("6.12.95"), line("6.1.192"), line("6.12"), line("6.13"), line("5.10.262")],
            [Some("6.12"), Some("6.1"), Some("6.12"), None, None]
        );
    }

    #[test]
    fn probes_of_hints_come_first_and_none_is_left_out() {
        let order = Quirk::in_probe_order();
        assert_eq!(order.iter().copied().collect::<Quirks>(), Quirk::ALL.iter().copied().collect());
        assert_eq!(order.len(), Quirk::ALL.len());
        assert!(order.is_sorted_by_key(|quirk| quirk.effect().probe_stage()));
        // The ends are named, so that a change of an effect shows here.
        assert_eq!(order[0], Quirk::B24);
    }

    #[test]
    fn a_fix_is_shown_with_its_commit_when_it_has_one() {
        // Three cases: a patch under review, a merged one, and none that is known.
        let shown = |quirk: Quirk| quirk.fix().map(|fix| fix.to_string());
        assert_eq!(shown(Quirk::B24).as_deref(), Some("percpu: fix wrong chunk hints update"));
        let with_commit = "9a5b183941b5 (\"mm, percpu: do not consider sleepable allocations atomic\")";
        assert_eq!(shown(Quirk::B03).as_deref(), Some(with_commit));
        assert_eq!(shown(Quirk::B50), None);
    }
}
