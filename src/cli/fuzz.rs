// SPDX-License-Identifier: GPL-2.0-only
//! `percuss fuzz-session`, for scripts: one session of one target, with its corpus merged and its findings kept as
//! files. It is hidden from `--help`, as scripts/fuzz-all is what people start.

use percuss::campaign;
use percuss::fuzz::session::{self, Plan};
use percuss::fuzz::{Beside, Kind};
use percuss::image::Image;
use percuss::judge::{Like, Oracles};
use percuss::program::Program;
use percuss::worker::{Lost, Setup};

use super::args::FuzzSessionArgs;
use super::{CliError, Exit, output};

const TRIES: u32 = 2000;

/// Fuzzes one target for the given time and prints a line of counters, and one for each new finding. The exit code is
/// 1 if there is any.
///
/// # Errors
/// The fuzzer does not run, or something cannot be written.
pub fn session(args: &FuzzSessionArgs) -> Result<Exit, CliError> {
    let plan = Plan {
        target: args.target,
        binary: args.binary.clone(),
        corpus: args.corpus.clone(),
        seeds: args.seeds.clone(),
        findings: args.findings.clone(),
        time: args.time,
        jobs: args.jobs,
    };
    let spec = args.image.spec()?;
    // Built when the first finding needs it. One image does not show what two differ in.
    let mut image: Option<Option<Image>> = None;
    let pair = matches!(args.target.kind, Kind::Program { beside: Beside::Image, .. });
    let outcome = session::run(&plan, |title, program| {
        if pair {
            return None;
        }
        let image = image.get_or_insert_with(|| or_report(Image::build(&spec).map_err(CliError::from)));
        let setup = image.as_ref()?.setup(1, Oracles::default());
        or_report(small(&setup, title, program).map_err(CliError::from)).flatten()
    })?;
    // The rate is of the time that was asked for: `0s` only merges the corpus.
    let seconds = args.time.as_secs().max(1);
    let (inputs, added, removed) = outcome.corpus;
    output::print(&format!(
        "{:<14} {} inputs run, {}/s, {} counters, corpus {inputs} (+{added} -{removed}), {} findings, {} new\n",
        args.target.name,
        outcome.runs,
        outcome.runs / seconds,
        outcome.coverage,
        outcome.findings,
        outcome.new.len()
    ))?;
    outcome.new.iter().try_for_each(|title| output::print(&format!("    new: {title}\n")))?;
    Ok(if outcome.new.is_empty() { Exit::Clean } else { Exit::Findings })
}

/// A small program with the finding of this title; None if the program does not show it on this image.
///
/// # Errors
/// No worker can be started.
fn small(setup: &Setup, title: &str, program: &Program) -> Result<Option<Program>, Lost> {
    let batch = campaign::one(setup, program)?;
    let Some(found) = batch.found.iter().find(|f| f.finding.title == title) else { return Ok(None) };
    let (small, _) = campaign::minimize(setup, program, &Like::of(&found.finding), TRIES)?;
    Ok(Some(small))
}

/// The value, or a line on standard error. A finding is filed as it is when its program cannot be made small: ending
/// the session would lose the other findings, and what the fuzzer learned.
fn or_report<T>(result: Result<T, CliError>) -> Option<T> {
    result.inspect_err(|e| output::tell(&format!("cannot make the program of a finding small: {e}"))).ok()
}
