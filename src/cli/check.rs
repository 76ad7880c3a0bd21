// SPDX-License-Identifier: GPL-2.0-only
//! `percuss check`

use std::sync::Arc;
use std::time::{Duration, Instant};

use percuss::campaign::{self, Batch, Extent, Like, Oracles, Progress};
use percuss::image::Image;
use percuss::program::Program;
use percuss::report::{self, Case, Verdict};

use super::args::{CheckArgs, Format};
use super::progress::Display;
use super::{CliError, EXIT_CLEAN, EXIT_FINDINGS};

/// Start of an error message.
pub const BOLD_RED: &str = "\x1b[1;31m";
/// End of colour.
pub const RESET: &str = "\x1b[0m";

/// Time to make the program of one finding small.
const MINIMIZE: Duration = Duration::from_secs(3);

/// Runs the verb.
///
/// # Errors
/// The image cannot be had, or no worker runs.
pub fn run(args: &CheckArgs) -> Result<u8, CliError> {
    let started = Instant::now();
    let image = Image::build(&args.image.spec()?)?;
    let oracles = Oracles {
        lockstep: !args.without.iter().any(|o| o == "lockstep"),
        invariants: !args.without.iter().any(|o| o == "invariants"),
        content: !args.without.iter().any(|o| o == "content"),
    };
    let setup = image.setup(args.seed, oracles);
    let jobs = args.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()));
    let extent = args.time.map_or(Extent::Programs(args.programs), Extent::Time);
    let corpus = corpus(&setup)?;
    let progress = Arc::new(Progress::default());
    let display = Display::start(progress.clone(), extent, args.format == Format::Json);
    let generated = campaign::generated(&setup, extent, jobs, &progress);
    drop(display);
    let mut batch = generated?;
    let shares = report::Shares::of(args.seed, &batch);
    batch.merge(corpus);
    batch.sort();
    let cases = cases(&setup, &batch)?;
    let verdict = Verdict {
        image: &image,
        seed: args.seed,
        batch: &batch,
        cases,
        shares,
        seconds: started.elapsed().as_secs_f64(),
    };
    match args.format {
        Format::Json => println!("{}", report::json(&verdict)),
        Format::Human => anstream::print!("{}", report::human(&verdict)),
    }
    if verdict.new() > 0 {
        let written = report::save(&verdict, &args.out).map_err(|error| CliError::File {
            what: "write to",
            path: args.out.clone(),
            error,
        })?;
        if args.format == Format::Human {
            written.iter().for_each(|p| println!("wrote {}", p.display()));
        }
        return Ok(EXIT_FINDINGS);
    }
    Ok(EXIT_CLEAN)
}

/// The programs that come with percuss, numbered after all generated ones.
fn corpus(setup: &campaign::Setup) -> Result<Batch, CliError> {
    let mut all = Batch::default();
    for (name, text) in report::CORPUS {
        let program: Program = text.parse().map_err(|e| CliError::Input(format!("corpora/{name}: {e}")))?;
        let mut one = campaign::one(setup, &program)?;
        one.found.iter_mut().for_each(|f| f.index = u64::MAX);
        all.merge(one);
    }
    Ok(all)
}

/// One case for each finding, its program made small.
fn cases(setup: &campaign::Setup, batch: &Batch) -> Result<Vec<Case>, CliError> {
    let mut out = Vec::new();
    for f in &batch.found {
        let program = Program::decode(&f.program);
        let (small, _) = campaign::minimize(setup, &program, &Like::of(&f.finding), MINIMIZE)?;
        out.push(Case { found: f.clone(), program: small });
    }
    Ok(out)
}
