// SPDX-License-Identifier: GPL-2.0-only
//! What judging many programs gave: counts, the order of locks, and each kind of finding once.
//!
//! A worker sends one for each job, and the campaign merges them. The result does not depend on which worker was first,
//! so two campaigns with one seed report the same.

use percuss_kernel::Quirk;
use percuss_lockdep::Graph;
use percuss_oracle::{Finding, OracleKind};
use serde::{Deserialize, Serialize};

use super::attribute::Tally;
use super::reached::Reached;

/// How a finding that no program of the campaign shows alone came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Composed {
    pub programs: Vec<u64>,
    /// They could be put together: the finding's program shows it. Else that is the first of the parts.
    pub whole: bool,
}

/// What makes a finding "the same" while a program is minimised: a smaller program that shows another one would be an
/// example of something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Like {
    pub oracle: OracleKind,
    pub title: String,
    pub quirk: Option<Quirk>,
    #[serde(default)]
    pub before: bool,
}

impl Like {
    pub fn of(f: &Finding) -> Like {
        Like { oracle: f.oracle, title: f.title.clone(), quirk: f.quirk, before: f.before }
    }

    pub fn matches(&self, f: &Finding) -> bool {
        (self.oracle, self.title.as_str(), self.quirk, self.before) == f.key()
    }
}

/// Which new findings a program shows together, the first of them first: what shows only where something else does
/// follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Together {
    pub index: u64,
    /// [`mark`] of each.
    pub marks: Vec<u64>,
}

/// Programs of a batch whose findings are remembered together. A change that breaks every program shows its causes in
/// far fewer.
const TOGETHER: usize = 4096;

/// A finding's kind as a number, which is the same in every process.
pub fn mark(oracle: OracleKind, title: &str) -> u64 {
    // FNV-1a: a few dozen kinds do not collide in 64 bits.
    let bytes = oracle.name().bytes().chain(title.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// What examining some programs gave. It is the unit in which workers report and in which state files keep a campaign.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    pub programs: u64,
    pub ops: u64,
    pub events: u64,
    /// Programs that did not end.
    pub hung: u64,
    /// Programs wanted that were not run, because too many others did not end or the campaign was stopped.
    pub not_run: u64,
    /// Programs whose first-chunk builder refused the geometry.
    pub boot_failed: u64,
    pub tally: Tally,
    #[serde(default)]
    pub order: Graph,
    /// Places of the image that programs reached, where it counts them.
    #[serde(default)]
    pub reached: Reached,
    /// Findings, each kind once, in order of the first program that shows it.
    pub found: Vec<Found>,
    #[serde(default)]
    pub together: Vec<Together>,
}

/// A kind of finding with its first program, which is the one that reports show and that is minimised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    pub finding: Finding,
    pub index: u64,
    pub count: u64,
    /// That program, in byte form.
    pub program: Vec<u8>,
    /// No program shows it alone: what it was put together from.
    #[serde(default)]
    pub composed: Option<Composed>,
}

impl Batch {
    /// Adds one finding of program `index`. `program` encodes it, and is called only for a kind that is not there yet:
    /// most findings are repeated ones.
    pub fn add(&mut self, finding: &Finding, index: u64, program: impl FnOnce() -> Vec<u8>) {
        match self.found.iter_mut().find(|f| f.finding.key() == finding.key()) {
            // The first one stays as the example.
            Some(f) => f.count += 1,
            None => {
                let program = program();
                let found = Found { finding: finding.clone(), index, count: 1, program, composed: None };
                self.found.push(found);
            }
        }
    }

    /// Remembers which new findings a program shows together.
    pub fn add_together(&mut self, index: u64, findings: &[Finding]) {
        let marks: Vec<u64> = findings.iter().filter(|f| f.is_new()).map(|f| mark(f.oracle, &f.title)).collect();
        if !marks.is_empty() && self.together.len() < TOGETHER {
            self.together.push(Together { index, marks });
        }
    }

    /// Adds the result of other programs; which of the two ran first does not matter.
    pub fn merge(&mut self, other: Batch) {
        self.programs += other.programs;
        self.ops += other.ops;
        self.events += other.events;
        self.hung += other.hung;
        self.not_run += other.not_run;
        self.boot_failed += other.boot_failed;
        self.tally.merge(&other.tally);
        self.order.merge(other.order);
        self.together.extend(other.together);
        self.together.truncate(TOGETHER);
        self.reached.merge(&other.reached);
        for o in other.found {
            match self.found.iter_mut().find(|f| f.finding.key() == o.finding.key()) {
                Some(f) => {
                    let count = f.count + o.count;
                    // The lower number is the first program, whichever worker was faster.
                    if o.index < f.index {
                        *f = o;
                    }
                    // Both sides count, whichever program stays.
                    f.count = count;
                }
                None => self.found.push(o),
            }
        }
    }

    /// Marks new findings of which `before` says that the image before the change has them, too.
    pub fn mark_before(&mut self, before: impl Fn(&Found) -> bool) {
        let found = std::mem::take(&mut self.found);
        let (there, rest): (Vec<Found>, Vec<Found>) = found.into_iter().partition(|f| f.finding.is_new() && before(f));
        self.found = rest;
        for mut f in there {
            f.finding.before = true;
            // The program's own comparison may have marked some of the same kind.
            match self.found.iter_mut().find(|o| o.finding.key() == f.finding.key()) {
                Some(same) => {
                    let count = same.count + f.count;
                    if f.index < same.index {
                        *same = f;
                    }
                    same.count = count;
                }
                None => self.found.push(f),
            }
        }
        self.sort();
    }

    /// Puts findings in order of the first program that shows them, then of oracle, title and quirk, so that reports of
    /// one campaign are equal byte for byte.
    pub fn sort(&mut self) {
        // Not by count, which changes as a campaign goes on.
        self.found.sort_by(|a, b| {
            (a.index, a.finding.oracle, &a.finding.title, &a.finding.quirk).cmp(&(
                b.index,
                b.finding.oracle,
                &b.finding.title,
                &b.finding.quirk,
            ))
        });
    }
}
