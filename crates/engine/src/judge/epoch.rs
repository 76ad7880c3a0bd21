// SPDX-License-Identifier: GPL-2.0-only
//! One epoch: a free run, what its end shows, its replay on both tenants, and whether all agree.
//!
//! The free run uses real threads and can come to interleavings that no schedule was written for. The replay makes what
//! it found reproducible, and has the Model at its side.

use std::io;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::recipe::{Recipe, program};
use super::replay::{Matched, compare};
use crate::judge::{Batch, Examiner};
use percuss_kernel::event::Event;
use percuss_kernel::{DRAIN, Quirk};
use percuss_oracle::{Detail, Finding, OracleKind};
use percuss_program::Program;
use percuss_run::Threads;
use percuss_world::threads::Grain;

/// What came of an epoch: what the soak adds up.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Epoch {
    pub batch: Batch,
    pub ops: u64,
    pub events: u64,
    pub turns: u64,
    /// How the replay compares with it; None when the worker was lost before it came to that.
    pub matched: Option<Matched>,
    /// Microseconds of the free run, and of all.
    pub micros: (u64, u64),
}

/// A finding of the free run alone. Up to the window of B14 the replay has the same locks in the same order, so an
/// order it does not have lies after it: whether a quirk accounts for it cannot be asked of the Model, which ran
/// another program from there on. It is reported under the name of what made them two, a deadlock that came about, too.
/// What other oracles say needs no account and is new.
///
/// `b14`: the tree has that quirk. On others a window is a matter of the empty chunk alone, which has no name.
fn behind(matched: &Matched, b14: bool, finding: Finding) -> Finding {
    match (matched, finding.oracle) {
        (Matched::Window, OracleKind::LockOrder) if b14 => Finding { quirk: Some(Quirk::B14), ..finding },
        _ => finding,
    }
}

#[derive(Debug)]
pub struct Soaker {
    threads: Threads,
    recipe: Recipe,
    seed: u64,
}

impl Soaker {
    /// With threads of its own, which are kept from epoch to epoch.
    ///
    /// # Errors
    /// The system has no threads.
    pub fn new(recipe: Recipe, seed: u64) -> io::Result<Soaker> {
        Ok(Soaker { threads: Threads::pool(recipe.threads)?, recipe, seed })
    }

    pub fn on_each(&self, f: impl Fn() + Sync) {
        self.threads.each(f);
    }

    /// CPU time that an epoch may use, on all threads together: 20 s a thread and 5 ms an op, many times what it needs.
    /// An epoch that uses more is taken for an endless loop.
    pub fn cpu_limit(&self) -> Duration {
        Duration::from_secs(20) * self.recipe.threads.max(1) as u32 + Duration::from_millis(5) * self.recipe.ops
    }

    pub fn program(&self, index: u64) -> Program {
        program(self.seed, index, self.recipe)
    }

    /// Runs an epoch; `window`: the tree has quirk B14.
    ///
    /// # Errors
    /// The system has no memory for stacks.
    pub fn run(&self, examiner: &mut Examiner, index: u64, window: bool) -> io::Result<Epoch> {
        let started = Instant::now();
        let mut program = self.program(index);
        // Without a schedule: the order of tasks is the machine's.
        let (free, verdict) = examiner.examine_free(&program, &self.threads, Grain::Points)?;
        // From here on the program is the recorded one, so that its findings can be replayed.
        program.schedule = free.turns;
        // A copy, since the replay uses the same World.
        let log = examiner.image_ref().shared().host.world().events().to_vec();
        let mut epoch = Epoch {
            ops: log.iter().filter(|e| matches!(e, Event::OpEnd { op, .. } if *op != DRAIN)).count() as u64,
            events: log.len() as u64,
            turns: program.schedule.len() as u64,
            micros: (started.elapsed().as_micros() as u64, 0),
            ..Epoch::default()
        };
        let (findings, matched) = Soaker::replay(examiner, &program, &log, window, verdict.findings)?;
        epoch.matched = Some(matched);
        // Figures are those of the free run; the replay is the same work once more.
        epoch.batch.programs = 1;
        epoch.batch.ops = epoch.ops;
        epoch.batch.events = epoch.events;
        findings.iter().for_each(|f| epoch.batch.add(f, index, || program.encode()));
        epoch.micros.1 = started.elapsed().as_micros() as u64;
        Ok(epoch)
    }

    /// Replays a free run on the image and the Model. What the replay shows too is reported as the replay has it, which
    /// knows of quirks.
    ///
    /// # Errors
    /// See [`Soaker::run`].
    pub fn replay(
        examiner: &mut Examiner,
        program: &Program,
        log: &[Event],
        window: bool,
        free: Vec<Finding>,
    ) -> io::Result<(Vec<Finding>, Matched)> {
        let verdict = examiner.examine(program)?;
        let matched = {
            let world = examiner.image_ref().shared().host.world();
            compare(log, world.events(), window)
        };
        let mut findings = verdict.findings;
        for f in free {
            // Without the quirk and the op: the replay's finding is the same one with more known of it.
            if !findings.iter().any(|o| (o.oracle, &o.title) == (f.oracle, &f.title)) {
                findings.push(behind(&matched, window, f));
            }
        }
        // That a replay differs is a finding of its own: the schedule does not determine the run.
        if let Some(title) = matched.title()
            && let Matched::Differs { at, op, free, replay } = &matched
        {
            let detail = Detail::Parting { event: *at, left: free.clone(), right: replay.clone() };
            findings.push(Finding::new(OracleKind::Lockstep, *op, title, detail));
        }
        Ok((findings, matched))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lock_order_behind_a_window_is_accounted_for() {
        let of = |matched: Matched, oracle| behind(&matched, true, Finding::new(oracle, 0, "t", "")).quirk;
        assert_eq!(of(Matched::Window, OracleKind::LockOrder), Some(Quirk::B14));
        assert_eq!(of(Matched::Equal, OracleKind::LockOrder), None);
        let fixed = Finding::new(OracleKind::LockOrder, 0, "t", "");
        assert_eq!(behind(&Matched::Window, false, fixed).quirk, None, "the tree has no such quirk");
        for oracle in OracleKind::all().filter(|o| *o != OracleKind::LockOrder) {
            assert_eq!(of(Matched::Window, oracle), None);
        }
    }
}
