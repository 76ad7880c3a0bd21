// SPDX-License-Identifier: GPL-2.0-only
//! Checking a tree: the corpus and generated programs on its image, and a small program for each finding.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::cases::{Case, Standing};
use super::causes::Cause;
use super::options::Options;
use super::series::SeriesStep;
use super::verdict::conclude;
use super::workloads::Measured;
use super::{CORPUS_INDEX, corpus_programs, generated, listed};
use crate::image::Image;
use crate::judge::{Batch, JudgeBy, Oracles};
use crate::worker::{Lost, Setup};

/// The result of a check.
#[derive(Debug)]
pub struct Verdict<'a> {
    /// What was checked.
    pub image: &'a Image,
    /// The patch of a series after which this is the verdict. [`check`] leaves it empty.
    pub step: Option<SeriesStep>,
    /// Seed of the generator.
    pub seed: u64,
    /// Tasks that each generated program has at least; 0 when the seed decides.
    pub tasks: usize,
    /// Oracles that ran.
    pub oracles: Oracles,
    /// What the corpus showed.
    pub corpus: Batch,
    /// What generated programs showed, each alone or several together.
    pub generated: Batch,
    /// Findings of both, each kind once.
    pub cases: Vec<Case>,
    /// What is wrong: new findings by cause, the most serious first, what the change brings back before them.
    pub causes: Vec<Cause>,
    /// What the change does otherwise without breaking a rule.
    pub differences: Vec<Cause>,
    /// How it differs, in figures of a few workloads; empty where it does nothing otherwise.
    pub measured: Vec<Measured>,
    pub judge: JudgeBy,
    /// [`Progress::stop`](super::Progress::stop) ended it before its extent.
    pub interrupted: bool,
    /// Seconds that the programs took, without making those of findings small.
    pub seconds: f64,
}

impl Verdict<'_> {
    /// Number of new findings. There are fewer causes.
    pub fn count_new(&self) -> usize {
        self.cases.iter().filter(|c| c.is_new()).count()
    }

    /// Number of known findings, those among them that were there before the change.
    pub fn count_known(&self) -> usize {
        self.cases.iter().filter(|c| matches!(c.standing, Standing::Known | Standing::Before)).count()
    }

    /// Nothing is wrong that was not so before.
    pub fn is_clean(&self) -> bool {
        self.causes.is_empty()
    }
}

/// Checks an image: runs the corpus and generated programs, looks for conflicts of locks that take several programs,
/// finds the causes of what is new, and makes the program of each cause small.
///
/// # Errors
/// No worker can be started. What a program does to its worker is a finding.
pub fn check<'a>(image: &'a Image, options: &Options) -> Result<Verdict<'a>, Lost> {
    let &Options { seed, extent, tasks, jobs, oracles, judge, .. } = options;
    let setup = Setup { tasks, judge, worker: options.worker.clone(), ..image.setup(seed, oracles) };
    let progress = &options.progress;
    let started = Instant::now();
    let corpus = listed(&setup, CORPUS_INDEX, &corpus_programs())?;
    let generated = generated(&setup, extent, jobs, progress)?;
    let seconds = started.elapsed().as_secs_f64();
    progress.minimizing.store(true, Ordering::Relaxed);
    let mut batches = [corpus, generated];
    let concluded = conclude(image, &setup, options, &mut batches)?;
    let [corpus, generated] = batches;
    Ok(Verdict {
        image,
        step: None,
        seed,
        tasks,
        oracles,
        corpus,
        generated,
        cases: concluded.cases,
        causes: concluded.causes,
        differences: concluded.differences,
        measured: concluded.measured,
        judge,
        interrupted: progress.stopped(),
        seconds,
    })
}
