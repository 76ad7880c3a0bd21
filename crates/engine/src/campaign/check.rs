// SPDX-License-Identifier: GPL-2.0-only
//! Checking a tree: the corpus and generated programs on its image, and a small program for each finding.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::cases::{Case, Tries, cases};
use super::series::SeriesStep;
use super::{CORPUS_INDEX, Extent, Progress, as_it_runs, compose, corpus_programs, generated, listed};
use crate::image::Image;
use crate::judge::{Batch, Found, Oracles};
use crate::worker::{Lost, Setup};
use percuss_oracle::OracleKind;

/// Programs tried to make small that of a new finding, and that of a known one. A person reads the first; a known finding
/// has a program in the corpus already, and there can be dozens.
const TRIES: Tries = Tries { new: 3000, known: Some(200) };

/// What a check runs, and with what.
#[derive(Debug, Clone)]
pub struct Options {
    /// Seed of the generated programs: the same seed gives the same programs, and the same verdict.
    pub seed: u64,
    /// Generated programs; the corpus runs in addition.
    pub extent: Extent,
    /// Tasks that each generated program has at least; 0 leaves it to the seed.
    pub tasks: usize,
    /// Worker processes. The verdict does not depend on their number.
    pub jobs: usize,
    pub oracles: Oracles,
    /// The executable that worker processes run, see [`Setup::worker`].
    pub worker: Option<PathBuf>,
    /// Counters to display while the check runs, and the switch that stops it: keep a clone.
    pub progress: Arc<Progress>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            seed: 1,
            extent: Extent::Programs(20_000),
            tasks: 0,
            jobs: processors(),
            oracles: Oracles::default(),
            worker: None,
            progress: Arc::default(),
        }
    }
}

/// Processors that this process may use: a worker on each is the fastest that a campaign gets.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

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
    /// [`Progress::stop`] ended it before its extent.
    pub interrupted: bool,
    /// Seconds that the programs took, without making those of findings small.
    pub seconds: f64,
}

impl Verdict<'_> {
    /// Number of new findings: those that no quirk accounts for.
    pub fn count_new(&self) -> usize {
        self.cases.iter().filter(|c| c.quirk().is_none()).count()
    }

    /// Number of known findings.
    pub fn count_known(&self) -> usize {
        self.cases.len() - self.count_new()
    }
}

/// Checks an image: runs the corpus and generated programs, looks for conflicts of locks that take several programs, and
/// makes the program of each finding small.
///
/// # Errors
/// No worker can be started. What a program does to its worker is a finding.
pub fn check<'a>(image: &'a Image, options: &Options) -> Result<Verdict<'a>, Lost> {
    let &Options { seed, extent, tasks, jobs, oracles, .. } = options;
    let setup = Setup { tasks, worker: options.worker.clone(), ..image.setup(seed, oracles) };
    let progress = &options.progress;
    let started = Instant::now();
    let corpus = listed(&setup, CORPUS_INDEX, &corpus_programs())?;
    let mut generated = generated(&setup, extent, jobs, progress)?;
    let seconds = started.elapsed().as_secs_f64();
    progress.minimizing.store(true, Ordering::Relaxed);
    if oracles.has(OracleKind::LockOrder) && !progress.stopped() {
        generated.found.extend(composed(&setup, &corpus, &generated)?);
        generated.sort();
    }
    let mut both = generated.clone();
    both.merge(corpus.clone());
    both.sort();
    let cases = cases(&setup, &both.found, TRIES, jobs)?;
    let interrupted = progress.stopped();
    Ok(Verdict { image, step: None, seed, tasks, oracles, corpus, generated, cases, interrupted, seconds })
}

/// What the lock order of all programs together shows and none of them alone.
fn composed(setup: &Setup, corpus: &Batch, generated: &Batch) -> Result<Vec<Found>, Lost> {
    let mut order = generated.order.clone();
    order.merge(corpus.order.clone());
    let corpus = corpus_programs();
    compose(setup, &order, &|index| match index.checked_sub(CORPUS_INDEX) {
        Some(place) => Ok(corpus[usize::try_from(place).expect("the corpus fits the memory")].clone()),
        None => as_it_runs(setup, index),
    })
}
