// SPDX-License-Identifier: GPL-2.0-only
//! `percuss check`

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use percuss::campaign::{self, Extent, Progress};
use percuss::image::Image;
use percuss::judge::{Batch, Found, Like, Oracles};
use percuss::oracle::OracleKind;
use percuss::program::Program;
use percuss::report::{self, CORPUS_INDEX, Case, Step, Verdict};
use percuss::worker::{Lost, Setup};
use rayon::prelude::*;

use super::args::{CheckArgs, Format};
use super::progress::Display;
use super::{CliError, EXIT_CLEAN, EXIT_ERROR, EXIT_FINDINGS, each, interrupt, output};

/// Programs tried to make that of a new finding small.
const TRIES_NEW: u32 = 3000;
/// The same for known findings, which have programs of their own in the corpus.
const TRIES_KNOWN: u32 = 200;

/// Runs the verb.
///
/// # Errors
/// The image cannot be had, no worker runs, or findings cannot be written.
pub fn run(args: &CheckArgs) -> Result<u8, CliError> {
    let write_error = |error| CliError::File { what: "write findings to", path: args.out.clone(), error };
    report::prepare(&args.out).map_err(write_error)?;
    if args.each {
        return each::run(args);
    }
    let spec = args.image.spec()?;
    let image = Image::build(&spec)?;
    output::notes(&image.notes);
    let progress = Arc::new(Progress::default());
    interrupt::catch(progress.clone())?;
    image_verdict(args, &image, &progress, &args.out, None)
}

/// Checks one image and prints the verdict; `step` is its place in a series.
pub(super) fn image_verdict(
    args: &CheckArgs,
    image: &Image,
    progress: &Arc<Progress>,
    out: &Path,
    step: Option<Step<'_>>,
) -> Result<u8, CliError> {
    let write_error = |error| CliError::File { what: "write findings to", path: out.to_owned(), error };
    let oracles = oracles(&args.without);
    let setup = Setup { tasks: usize::from(args.tasks.unwrap_or(0)), ..image.setup(args.seed, oracles) };
    let jobs = jobs(args.jobs);
    let extent = args.time.map_or(Extent::Programs(args.programs), Extent::Time);

    let started = Instant::now();
    let corpus = corpus(&setup)?;
    let display = Display::start(progress.clone(), extent, args.format == Format::Json);
    let mut generated = campaign::generated(&setup, extent, jobs, progress)?;
    let seconds = started.elapsed().as_secs_f64();
    display.minimizing();
    if oracles.has(OracleKind::LockOrder) && !progress.stop.load(Ordering::Relaxed) {
        generated.found.extend(composed(&setup, &corpus, &generated)?);
        generated.sort();
    }
    let cases = cases(&setup, &corpus, &generated, jobs)?;
    drop(display);

    let mut verdict = Verdict {
        image,
        step,
        seed: args.seed,
        tasks: setup.tasks,
        oracles,
        corpus: &corpus,
        generated: &generated,
        cases,
        shares: report::Shares::of(args.seed, &generated),
        interrupted: progress.stop.load(Ordering::Relaxed),
        seconds,
    };
    let saved = report::save(&mut verdict, out).map_err(write_error);
    output::print(&match args.format {
        Format::Json => report::json(&verdict) + "\n",
        Format::Human => report::human(&verdict, output::width()),
    })?;
    saved?;
    Ok(match verdict.count_new() {
        0 if verdict.interrupted => EXIT_ERROR,
        0 => EXIT_CLEAN,
        _ => EXIT_FINDINGS,
    })
}

/// All oracles but these.
pub(super) fn oracles(without: &[OracleKind]) -> Oracles {
    without.iter().fold(Oracles::ALL, |set, kind| set.and_without(*kind))
}

/// Worker processes: as many as there are processors when nothing is said.
pub(super) fn jobs(wanted: Option<u16>) -> usize {
    wanted.map_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()), usize::from)
}

/// The programs that come with percuss, numbered after all generated ones.
fn corpus(setup: &Setup) -> Result<Batch, CliError> {
    Ok(campaign::listed(setup, CORPUS_INDEX, &corpus_programs()?)?)
}

fn corpus_programs() -> Result<Vec<Program>, CliError> {
    let parse =
        |(name, text): (&str, &str)| text.parse().map_err(|e| CliError::Input(format!("corpora/lockstep/{name}: {e}")));
    report::corpus().map(parse).collect()
}

/// What the lock order of all programs together shows and none of them alone.
fn composed(setup: &Setup, corpus: &Batch, generated: &Batch) -> Result<Vec<Found>, CliError> {
    let mut order = generated.order.clone();
    order.merge(corpus.order.clone());
    let corpus = corpus_programs()?;
    let program = |index: u64| match index.checked_sub(CORPUS_INDEX) {
        Some(place) => corpus.get(place as usize).cloned().unwrap_or_default(),
        // Who ends a worker has recorded no order of locks.
        None => campaign::as_it_runs(setup, index).unwrap_or_else(|_| setup.generator().program(index)),
    };
    Ok(campaign::compose(setup, &order, &program)?)
}

/// One case for each finding, its program made small.
fn cases(setup: &Setup, corpus: &Batch, generated: &Batch, jobs: usize) -> Result<Vec<Case>, CliError> {
    let mut both = generated.clone();
    both.merge(corpus.clone());
    both.sort();
    let case = |f: &Found| -> Result<Case, Lost> {
        let tries = if f.finding.quirk.is_some() { TRIES_KNOWN } else { TRIES_NEW };
        let program = Program::decode(&f.program);
        // Parts that could not be put together are small already, and show nothing by themselves.
        if f.composed.as_ref().is_some_and(|c| !c.whole) {
            return Ok(Case { found: f.clone(), program, file: None });
        }
        let (program, _) = campaign::minimize(setup, &program, &Like::of(&f.finding), tries)?;
        Ok(Case { found: f.clone(), program, file: None })
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).build().map_err(std::io::Error::other)?;
    Ok(pool.install(|| both.found.par_iter().map(case).collect::<Result<Vec<Case>, Lost>>())?)
}
