// SPDX-License-Identifier: GPL-2.0-only
//! The verdict on one image, for the verbs that give one: `check`, each step of `check --each`, and `soak --apart`.

use std::path::Path;
use std::sync::Arc;

use percuss::campaign::{self, Extent, Options, Progress, SeriesStep, processors};
use percuss::image::Image;
use percuss::judge::{JudgeBy, Oracles};
use percuss::oracle::OracleKind;
use percuss::report;

use super::args::{CheckArgs, Format};
use super::progress::Display;
use super::{CliError, Exit, output};

/// Checks one image, writes its new findings to `out` and prints the verdict; `step` is its place in a series.
///
/// # Errors
/// No worker runs, or findings cannot be written.
pub fn image_verdict(
    args: &CheckArgs,
    image: &Image,
    progress: &Arc<Progress>,
    out: &Path,
    step: Option<SeriesStep>,
) -> Result<Exit, CliError> {
    let extent = args.time.map_or(Extent::Programs(args.programs), Extent::Time);
    // Without lockstep nothing is said of divergences. The Model still accounts for known findings: else all of them
    // would be new.
    let rules = args.without.contains(&OracleKind::Lockstep);
    let without: Vec<_> = args.without.iter().copied().filter(|kind| *kind != OracleKind::Lockstep).collect();
    let options = Options {
        seed: args.seed,
        extent,
        tasks: usize::from(args.tasks.unwrap_or(0)),
        jobs: jobs(args.jobs),
        oracles: oracles(&without),
        judge: if rules { JudgeBy::Rules } else { args.judge },
        detail: args.verbose || args.format == Format::Json,
        worker: None,
        progress: progress.clone(),
    };
    let display = Display::start(progress.clone(), extent, args.format == Format::Json);
    let mut verdict = campaign::check(image, &options)?;
    // The bar has to be gone before the verdict is printed.
    drop(display);
    verdict.step = step;

    // The verdict is worth more than the files: print it in any case, then report that they could not be written.
    let write_error = |error| CliError::File { what: "write findings to", path: out.to_owned(), error };
    let saved = report::save(&mut verdict, out).map_err(write_error);
    output::print(&match args.format {
        Format::Json => report::json(&verdict) + "\n",
        Format::Human => report::human(&verdict, args.verbose, output::width()),
    })?;
    saved?;
    Ok(match verdict.is_clean() {
        // Not clean: the programs that were left out might have found something.
        true if verdict.interrupted => Exit::Error,
        true => Exit::Clean,
        false => Exit::Findings,
    })
}

pub fn oracles(without: &[OracleKind]) -> Oracles {
    without.iter().fold(Oracles::ALL, |set, kind| set.and_without(*kind))
}

/// Worker processes: as many as there are processors if `--jobs` is not given.
pub fn jobs(wanted: Option<u16>) -> usize {
    wanted.map_or_else(processors, usize::from)
}
