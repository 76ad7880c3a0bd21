// SPDX-License-Identifier: GPL-2.0-only
//! The table of oracles: what a row says, and what is made from the rows.
//!
//! The rows stand in `lib.rs`, beside the `mod` line of each oracle's file. From them come [`OracleKind`] and its names
//! in JSON and on the command line, the values of `--without`, the report's table, the list in docs/detection.md, and
//! [`Bench`](crate::Bench), which asks every oracle.

use serde::{Deserialize, Serialize};

use crate::OracleKind;

/// What an oracle looks at.
///
/// The runner prepares only what an oracle that is on needs ([`Oracles::need`]): a campaign without `content` writes no
/// bytes, and one without `lockstep` runs no Model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// The events of one run, which are always recorded.
    Events,
    /// The event stream of the Model, or its state. Without it the Model does not run at all.
    Model,
    /// The allocator's state at every release of pcpu_lock and after ops.
    State,
    /// What is in per-CPU memory: bytes are written and compared.
    Contents,
    /// The lock-order engine's reports.
    Locks,
    /// The state that a program leaves when everything is freed.
    End,
}

impl Needs {
    pub fn words(self) -> &'static str {
        match self {
            Needs::Events => "events",
            Needs::Model => "the Model",
            Needs::State => "the allocator's state",
            Needs::Contents => "contents of per-CPU memory",
            Needs::Locks => "the lock-order engine",
            Needs::End => "the state at the end",
        }
    }
}

/// Whose state an oracle judges, which decides the bench that asks it about state.
///
/// Events are judged wherever they come from: a question about an event needs no tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateOf {
    /// It judges events alone, so no bench asks it about state.
    Neither,
    /// The Model's state is trusted, or says nothing here.
    Image,
    /// The image is bound to the Model by lockstep, so its state needs no look, and a quirk is found by running the
    /// Model without it.
    Model,
    /// The image breaks the rule, and the Model with the tree's quirks may too: what both show is accounted for by a
    /// quirk, and what only the image shows is new.
    Both,
}

/// A row of the table: all that is known of an oracle apart from its code.
///
/// Names, switches, documents and the report read it here, so that an oracle cannot be in one of them and missing in
/// another.
#[derive(Debug, Clone, Copy)]
pub struct OracleInfo {
    pub kind: OracleKind,
    /// The name in reports and JSON, and for `--without`. Other programs read it and state files have it, so it does
    /// not change when the variant is renamed.
    pub name: &'static str,
    /// Oracles with any of which this one is switched off; empty when it always runs. An oracle with a switch of its
    /// own names itself.
    pub off_with: &'static [OracleKind],
    pub needs: Needs,
    pub state: StateOf,
    /// It objects when this is so. A clause in the present tense without a full stop, since docs/detection.md prints it
    /// in a cell of a table and the variant's own documentation puts it in a sentence.
    pub rule: &'static str,
}

/// Which oracles are switched on.
///
/// A switch turns off what costs time: the Model, looking at the state or at contents, checking the order of locks. An
/// event that is wrong by itself is reported whatever is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<OracleKind>", into = "Vec<OracleKind>")]
pub struct Oracles(u32);

impl Default for Oracles {
    fn default() -> Oracles {
        Oracles::ALL
    }
}

impl Oracles {
    pub const ALL: Oracles = Oracles(u32::MAX);

    pub const NONE: Oracles = Oracles(0);

    /// All but this one, and those that are off with it: without lockstep there is no Model whose hints could be
    /// judged.
    pub fn without(kind: OracleKind) -> Oracles {
        Oracles::ALL.and_without(kind)
    }

    /// These without one, and without those that are off with it. An oracle that has no switch stays: what it reads is
    /// there in any case.
    pub fn and_without(self, kind: OracleKind) -> Oracles {
        let off = OracleKind::TABLE.iter().filter(|row| row.off_with.contains(&kind));
        Oracles(off.fold(self.0, |set, row| set & !row.kind.bit()))
    }

    /// These, and one with those that are off without it: the reverse of [`and_without`](Oracles::and_without).
    pub fn and_with(self, kind: OracleKind) -> Oracles {
        let on = OracleKind::TABLE.iter().filter(|row| row.off_with.contains(&kind));
        on.fold(self, |set, row| set.and(row.kind))
    }

    pub(crate) fn and(self, kind: OracleKind) -> Oracles {
        Oracles(self.0 | kind.bit())
    }

    #[inline]
    pub fn has(self, kind: OracleKind) -> bool {
        self.0 & kind.bit() != 0
    }

    /// An oracle that is on looks at this, so it has to be prepared. Asked before a run, not while it goes on: it reads
    /// the whole table.
    pub fn need(self, what: Needs) -> bool {
        OracleKind::TABLE.iter().any(|row| row.needs == what && self.has(row.kind))
    }
}

impl From<Vec<OracleKind>> for Oracles {
    fn from(kinds: Vec<OracleKind>) -> Oracles {
        kinds.into_iter().fold(Oracles::NONE, Oracles::and)
    }
}

impl From<Oracles> for Vec<OracleKind> {
    fn from(set: Oracles) -> Vec<OracleKind> {
        OracleKind::all().filter(|kind| set.has(*kind)).collect()
    }
}

impl OracleKind {
    /// Every oracle, in the order of the table.
    pub fn all() -> impl Iterator<Item = OracleKind> {
        OracleKind::TABLE.iter().map(|row| row.kind)
    }

    /// Oracles that have a switch of their own: the values of `--without`. The others always run, or go with one of
    /// these.
    pub fn switches() -> impl Iterator<Item = OracleKind> {
        OracleKind::TABLE.iter().filter(|row| row.off_with.contains(&row.kind)).map(|row| row.kind)
    }

    pub fn by_name(name: &str) -> Option<OracleKind> {
        OracleKind::all().find(|kind| kind.name() == name)
    }

    pub fn info(self) -> &'static OracleInfo {
        // The macro makes variants and rows from the same list, so a variant's number is its row's.
        &OracleKind::TABLE[self as usize]
    }

    pub fn name(self) -> &'static str {
        self.info().name
    }

    #[inline]
    fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// The table as docs/detection.md has it. A test compares the two, so a row that is added or changed cannot stay
/// undocumented.
pub fn markdown() -> String {
    let mut out = "| oracle | objects when | looks at | off with `--without` |\n|---|---|---|---|\n".to_owned();
    for row in OracleKind::TABLE {
        // Names of switches, as a user types them; a dash says that nothing turns the oracle off.
        let off: Vec<String> = row.off_with.iter().map(|kind| format!("`{}`", kind.name())).collect();
        let off = if off.is_empty() { "-".to_owned() } else { off.join(", ") };
        // No cell has a `|` in it: rules are prose, and the other cells are names.
        out += &format!("| `{}` | {} | {} | {off} |\n", row.name, row.rule, row.needs.words());
    }
    out
}

// A set is a mask of 32 bits, and `bit` shifts by the number of the row. One row too many would wrap around in a
// release build and switch another oracle, so it does not compile.
const _: () = assert!(OracleKind::TABLE.len() <= 32);

/// Makes [`OracleKind`], its table and [`Each`](crate::Each) from the rows.
///
/// A macro, because three things have to agree: the variant, the row, and the field that holds the oracle. Each row may
/// carry attributes, so that a row for tests alone is possible.
macro_rules! oracles {
    ($(
        $(#[$attribute:meta])*
        $kind:ident in $file:ident = $name:literal, off with [$($off:ident),*], needs $needs:ident, state of $state:ident:
        $rule:literal;
    )+) => {
        /// Which oracle objects. Findings are sorted, and reports print, in the order of the variants.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum OracleKind {
            $($(#[$attribute])* #[doc = concat!("Objects when ", $rule, ".")] #[serde(rename = $name)] $kind,)+
        }

        impl OracleKind {
            pub const TABLE: &[$crate::table::OracleInfo] = &[$(
                $(#[$attribute])*
                $crate::table::OracleInfo {
                    kind: OracleKind::$kind,
                    name: $name,
                    off_with: &[$(OracleKind::$off),*],
                    needs: $crate::table::Needs::$needs,
                    state: $crate::table::StateOf::$state,
                    rule: $rule,
                },
            )+];
        }

        /// One oracle of each row. A method asks all of them in the order of the rows; there is no dispatch at run
        /// time, and an oracle that does not answer costs nothing.
        #[derive(Debug, Default)]
        pub struct Each {
            $($(#[$attribute])* #[allow(missing_docs)] pub $file: $file::$kind,)+
        }

        impl Each {
            fn start(&mut self) {
                $($(#[$attribute])* self.$file.start();)+
            }

            #[inline]
            fn released(&mut self, asked: Oracles, host: &Host, globals: &Globals, chunk: &ChunkView<'_>) {
                $($(#[$attribute])* if asked.has(OracleKind::$kind) {
                    self.$file.released(host, globals, chunk);
                })+
            }

            fn changed_unlocked(&mut self, asked: Oracles, host: &Host, change: &UnlockedChange) {
                $($(#[$attribute])* if asked.has(OracleKind::$kind) {
                    self.$file.changed_unlocked(host, change);
                })+
            }

            #[inline]
            fn op_ended(&mut self, asked: Oracles, scene: &Scene<'_>, op: u32) {
                $($(#[$attribute])* if asked.has(OracleKind::$kind) {
                    self.$file.op_ended(scene, op);
                })+
            }

            #[inline]
            fn event(&mut self, at: &Moment<'_>, event: &Event, found: &mut Vec<Finding>) {
                // Asked whatever is on: an event that is wrong by itself is reported always.
                $($(#[$attribute])* self.$file.event(at, event, found);)+
            }

            fn lock_report(&mut self, on: Oracles, program: &Program, report: &Report, found: &mut Vec<Finding>) {
                $($(#[$attribute])* if on.has(OracleKind::$kind) {
                    self.$file.lock_report(program, report, found);
                })+
            }

            fn run_ended(&mut self, asked: Oracles, scene: &Scene<'_>, found: &mut Vec<Finding>) {
                $($(#[$attribute])* if asked.has(OracleKind::$kind) {
                    self.$file.run_ended(scene, found);
                })+
            }

            fn drained(&mut self, asked: Oracles, scene: &Scene<'_>, found: &mut Vec<Finding>) {
                $($(#[$attribute])* if asked.has(OracleKind::$kind) {
                    self.$file.drained(scene, found);
                })+
            }
        }
    };
}
pub(crate) use oracles;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_the_variants_and_names_differ() {
        for (i, row) in OracleKind::TABLE.iter().enumerate() {
            assert_eq!(row.kind as usize, i);
            assert_eq!(OracleKind::by_name(row.name), Some(row.kind));
        }
    }

    #[test]
    fn switches_are_those_that_users_know() {
        let names: Vec<&str> = OracleKind::switches().map(OracleKind::name).collect();
        assert_eq!(names, ["invariants", "content", "lockorder", "lockstep"]);
    }

    #[test]
    fn without_the_model_nothing_is_asked_that_needs_it() {
        let set = Oracles::without(OracleKind::Lockstep);
        assert!(!set.need(Needs::Model) && set.need(Needs::Contents));
        assert!(!set.has(OracleKind::Hints) && !set.has(OracleKind::Room) && set.has(OracleKind::Ledger));
        assert_eq!(Oracles::without(OracleKind::Crash), Oracles::ALL, "it has no switch");
    }

    #[test]
    fn a_set_survives_the_way_to_a_worker() {
        let set = Oracles::without(OracleKind::Content);
        let kinds: Vec<OracleKind> = set.into();
        assert_eq!(Vec::<OracleKind>::from(Oracles::from(kinds.clone())), kinds);
        assert!(!kinds.contains(&OracleKind::Content) && kinds.contains(&OracleKind::Stall));
    }
}
