// SPDX-License-Identifier: GPL-2.0-only
//! The search for one bug with one seed: programs run on the tree with the bug, and each suspicious one is judged again
//! on the tree without it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::Small;
use crate::campaign::{Progress, minimize, one, until};
use crate::judge::{Batch, Found, Like};
use crate::worker::{Lost, Setup};
use percuss_oracle::{Finding, OracleKind};
use percuss_program::Program;

/// Programs tried, at most, to make the program of a hit small. A limit on time would give another size on each
/// machine.
const TRIES: u32 = 2000;

impl Small {
    fn of(program: &Program) -> Small {
        Small { ops: program.nr_ops(), tasks: program.tasks.len(), preemptions: program.preemptions() }
    }
}

/// The first program of a seed that shows a bug.
#[derive(Debug, Clone, Default)]
pub struct Hit {
    /// Programs that were run up to it, itself included.
    pub programs: u64,
    pub after: Duration,
    /// Oracles that object to the program, each once.
    pub oracles: Vec<OracleKind>,
    pub titles: Vec<String>,
    /// The program in byte form.
    pub program: Vec<u8>,
}

/// A tree without and with a bug, judged by the quirks of the one without: a Model of the other might have the bug too.
#[derive(Debug)]
pub struct Pair<'a> {
    pub base: &'a Setup,
    pub edited: Setup,
}

impl Pair<'_> {
    /// Runs programs of a seed until one shows the bug.
    ///
    /// # Errors
    /// No worker can be started.
    pub fn search(&self, seed: u64, limit: Duration, progress: &Progress) -> Result<Option<Hit>, Lost> {
        // The same programs for every bug, so that the numbers of two bugs can be compared.
        let edited = Setup { seed, ..self.edited.clone() };
        let started = Instant::now();
        // Kinds of findings that the tree without the bug shows, in the very program where the other did first.
        let mut of_both: BTreeSet<(OracleKind, String)> = BTreeSet::new();
        let mut hit = None;
        until(&edited, limit, progress, |batch| {
            for found in suspects(batch) {
                let f = &found.finding;
                // Judging a program on both trees costs two processes, so a kind of finding is looked at once.
                if of_both.contains(&(f.oracle, f.title.clone())) {
                    continue;
                }
                let program = Program::decode(&found.program);
                // A batch says that the tree with the bug shows it; only the other tree can say that the bug is why.
                let objections = self.objections(&program)?;
                if objections.is_empty() {
                    of_both.insert((f.oracle, f.title.clone()));
                    continue;
                }
                let mut oracles: Vec<OracleKind> = objections.iter().map(|f| f.oracle).collect();
                oracles.sort();
                oracles.dedup();
                hit = Some(Hit {
                    // Programs are numbered from 0.
                    programs: found.index + 1,
                    after: started.elapsed(),
                    oracles,
                    titles: objections.into_iter().map(|f| f.title).collect(),
                    program: found.program.clone(),
                });
                return Ok(true);
            }
            Ok(false)
        })?;
        Ok(hit)
    }

    /// What is said of a program with the bug, and not without.
    fn objections(&self, program: &Program) -> Result<Vec<Finding>, Lost> {
        // Run again by itself: a batch merges findings with the same title, so it does not have all of this program's.
        let with = one(&self.edited, program)?.found;
        let without = one(self.base, program)?.found;
        let both = |f: &Finding| without.iter().any(|o| (o.finding.oracle, &o.finding.title) == (f.oracle, &f.title));
        Ok(with.into_iter().map(|f| f.finding).filter(|f| f.quirk.is_none() && !both(f)).collect())
    }

    /// How small a program with the same finding is.
    ///
    /// # Errors
    /// No worker can be started.
    pub fn small(&self, hit: &Hit) -> Result<Small, Lost> {
        let program = Program::decode(&hit.program);
        // A finding that does not come again cannot be followed while the program is made small.
        let Some(first) = self.objections(&program)?.into_iter().next() else { return Ok(Small::of(&program)) };
        Ok(Small::of(&minimize(&self.edited, &program, &Like::of(&first), TRIES)?.0))
    }
}

/// Findings that no quirk accounts for, in order of their programs.
fn suspects(batch: &Batch) -> Vec<&Found> {
    let mut all: Vec<&Found> = batch.found.iter().filter(|f| f.finding.quirk.is_none()).collect();
    // The earliest program decides how soon a bug is found.
    all.sort_by_key(|f| (f.index, f.finding.oracle));
    all
}
