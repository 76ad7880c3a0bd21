// SPDX-License-Identifier: GPL-2.0-only
//! Two images in the same programs: what the second does that the first does not, and the other way round.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::child::Lost;
use super::drive::observe_all;
use super::message::Setup;
use super::observe::Observation;
use crate::audit::Row;
use crate::program::Program;
use crate::world::gfp::Gfp;

/// A class of change.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// What changes, in words.
    pub what: String,
    /// Programs that show it.
    pub count: u64,
    /// The shortest of them.
    pub program: String,
    #[serde(skip)]
    ops: usize,
}

/// All changes, by kind.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Changes {
    /// Masks in force at a kind of backing allocation, under pcpu_alloc_mutex.
    pub masks: Vec<Change>,
    /// What becomes of allocations.
    pub results: Vec<Change>,
    /// What oracles that need no Model say: lock order, context, stalls.
    pub reports: Vec<Change>,
    /// Programs that were run.
    pub programs: u64,
}

/// Runs the programs on both images.
///
/// # Errors
/// No worker can be started.
pub fn compare(before: &Setup, after: &Setup, programs: &[Program]) -> Result<Changes, Lost> {
    let mut seen: [Vec<Option<Observation>>; 2] = Default::default();
    for (setup, seen) in [before, after].into_iter().zip(&mut seen) {
        observe_all(setup, programs.iter().cloned(), |o| seen.push(o))?;
    }
    let [before, after] = seen;
    let mut all = Kinds::default();
    for ((program, a), b) in programs.iter().zip(&before).zip(&after) {
        match (a, b) {
            (Some(a), Some(b)) => all.note(program, a, b),
            (Some(_), None) => all.add(1, "programs now end their worker: a crash, or no end".to_owned(), program),
            (None, Some(_)) => all.add(1, "programs no longer end their worker".to_owned(), program),
            (None, None) => {}
        }
    }
    Ok(all.finish(programs.len() as u64))
}

#[derive(Default)]
struct Kinds([BTreeMap<String, Change>; 3]);

impl Kinds {
    fn note(&mut self, program: &Program, a: &Observation, b: &Observation) {
        let (x, y) = (masks(a), masks(b));
        x.difference(&y).for_each(|old| self.add(0, format!("- {old}"), program));
        y.difference(&x).for_each(|new| self.add(0, format!("+ {new}"), program));
        for (name, now, other) in [("now", &b.results, &a.results), ("no longer", &a.results, &b.results)] {
            for (why, n) in &now.failed {
                if *n > other.count(*why) {
                    self.add(1, format!("allocations {name} fail: {why:?}"), program);
                }
            }
            if now.never.len() > other.never.len() {
                self.add(1, format!("allocations {name} never return"), program);
            }
        }
        for (sign, here, there) in [("+", b, a), ("-", a, b)] {
            for f in here.findings.iter().filter(|f| !there.findings.iter().any(|o| o.title == f.title)) {
                self.add(2, format!("{sign} {}", f.title), program);
            }
        }
    }

    fn add(&mut self, kind: usize, what: String, program: &Program) {
        let ops = program.nr_ops();
        let change = self.0[kind].entry(what.clone()).or_insert_with(|| Change {
            what,
            count: 0,
            program: program.to_string(),
            ops,
        });
        change.count += 1;
        if ops < change.ops {
            change.ops = ops;
            change.program = program.to_string();
        }
    }

    fn finish(self, programs: u64) -> Changes {
        let [masks, results, reports] = self.0.map(|kind| {
            let mut kind: Vec<Change> = kind.into_values().collect();
            kind.sort_by_key(|c| std::cmp::Reverse(c.count));
            kind
        });
        Changes { masks, results, reports, programs }
    }
}

/// What of a backing mask does, or says what happens when there is no memory: the other flags would make a class of
/// every caller.
const FATE: Gfp = Gfp(Gfp::KERNEL.0 | Gfp::NOFAIL.0 | Gfp::NORETRY.0 | Gfp::RETRY_MAYFAIL.0);

/// Masks in force under the mutex, with what is allocated, by tasks and by the worker.
fn masks(o: &Observation) -> BTreeSet<String> {
    let under = |row: &&(Row, u64)| row.0.locks.iter().any(|l| l == "pcpu_alloc_mutex");
    let words = |(row, _): &(Row, u64)| {
        let who = if row.caller.is_some() { "" } else { " by the worker" };
        format!("{}{who}: {}", row.what.name(), Gfp(row.effective) & FATE)
    };
    o.audit.rows.iter().filter(under).map(words).collect()
}
