// SPDX-License-Identifier: GPL-2.0-only
//! `percuss soak`: the allocator on real threads. What they did is recorded and replayed on the image and the Model,
//! so that a finding of real concurrency can be reproduced.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use percuss::campaign::{Extent, Progress, Tries, cases};
use percuss::experiments::soak::{self, Totals, Until, races};
use percuss::image::Image;
use percuss::judge::{JudgeBy, Oracles, Recipe};
use percuss::report::{self, Soaked};

use super::args::{CheckArgs, Format, SoakArgs};
use super::base::BaseArgs;
use super::progress::Display;
use super::verdict::image_verdict;
use super::{CliError, Exit, interrupt, output};

/// Programs tried to make that of a new finding small: few, as each has thousands of ops. Those of known findings stay
/// as they are.
const TRIES: Tries = Tries { new: 300, known: None };

/// Runs the soak and prints its summary; with `--races` or `--apart` one of the two other kinds. Exit codes are those
/// of `check`.
///
/// # Errors
/// The image is not available, no worker runs, or a file cannot be written.
pub fn run(args: &SoakArgs) -> Result<Exit, CliError> {
    let file_error = |what, path: &Path| {
        let path = path.to_owned();
        move |error| CliError::File { what, path, error }
    };
    // Nothing of what follows applies: this image is linked in, and no worker or state file is used.
    if let Some(log) = &args.races {
        return races(args, log);
    }
    report::prepare(&args.out).map_err(file_error("write findings to", &args.out))?;
    let image = Image::build(&args.image.spec()?)?;
    output::notes(&image.notes);
    let progress = Arc::new(Progress::default());
    interrupt::catch(progress.clone())?;
    if args.apart {
        return image_verdict(&apart(args), &image, &progress, &args.out, None);
    }
    let recipe = Recipe { threads: usize::from(args.threads), ops: args.ops, races: false };
    // Next to the findings, so that one directory holds all that a soak has to keep.
    let state = args.state.clone().unwrap_or_else(|| args.out.join("soak-state.json"));
    let mut totals = Totals::new(what(&image), args.seed, recipe);
    if args.resume {
        // The new totals are passed to be compared: another image, seed or recipe cannot be resumed.
        totals = soak::load(&state, &totals).map_err(|e| CliError::Input(format!("{}: {e}", state.display())))?;
    }
    let (until, extent) = extents(args);
    let setup = image.setup(args.seed, Oracles::default());
    let display = Display::of("epochs", progress.clone(), extent, args.format == Format::Json);
    let save = |t: &Totals| soak::save(&state, t).map_err(percuss::worker::Lost::from);
    soak::soak(&setup, until, &mut totals, &progress, save)?;
    // From here on the display shows that programs are made small, which may take long.
    progress.minimizing.store(true, Ordering::Relaxed);
    let cases = cases(&setup, &totals.batch.found, TRIES, 1)?;
    drop(display);

    let interrupted = progress.stopped();
    let mut soaked = Soaked { image: &image, totals: &totals, cases, interrupted };
    let saved = report::soak_save(&mut soaked, &args.out).map_err(file_error("write findings to", &args.out));
    output::print(&match args.format {
        Format::Json => report::soak_json(&soaked) + "\n",
        Format::Human => report::soak(&soaked, output::width()),
    })?;
    saved?;
    Ok(match soaked.count_new() {
        // As in `check`: a soak that was cut short has not shown that nothing is there.
        0 if interrupted => Exit::Error,
        0 => Exit::Clean,
        _ => Exit::Findings,
    })
}

/// Runs the image that is linked into this program, and sorts the reports of the thread sanitizer. A sanitizer has to
/// be linked into all of a process, so neither a worker nor an image that is loaded would do.
fn races(args: &SoakArgs, log: &Path) -> Result<Exit, CliError> {
    let progress = Arc::new(Progress::default());
    interrupt::catch(progress.clone())?;
    let recipe = Recipe { threads: usize::from(args.threads), ops: args.ops, races: true };
    let (until, extent) = extents(args);
    let display = Display::of("epochs", progress.clone(), extent, args.format == Format::Json);
    let hunted = soak::hunt(recipe, args.seed, until, &progress).map_err(|e| CliError::Input(e.to_string()))?;
    drop(display);
    let text = races::written(log).map_err(|error| CliError::File { what: "read", path: log.to_owned(), error })?;
    let sorted = races::sort(races::parse(&text));
    output::print(&match args.format {
        Format::Json => report::races_json(&hunted, &sorted) + "\n",
        Format::Human => report::races(&hunted, &sorted, output::width()),
    })?;
    let new = sorted.new.len() + hunted.new_findings() > 0;
    Ok(match new {
        true => Exit::Findings,
        false if progress.stopped() => Exit::Error,
        false => Exit::Clean,
    })
}

fn extents(args: &SoakArgs) -> (Until, Extent) {
    match args.epochs {
        Some(n) => (Until::Epochs(n), Extent::Programs(n)),
        None => (Until::Time(args.time), Extent::Time(args.time)),
    }
}

fn what(image: &Image) -> String {
    // Hashes and not only names: `--resume` must not go on with a tree that was edited in between.
    let hash = image.files.iter().map(|(_, hash)| &hash[..16]).collect::<Vec<_>>().join(" ");
    format!("{} {} {} {hash} {}", image.tree.name, image.tree.version, image.config.name(), image.applied.join(", "))
}

/// Independent instances are a campaign, a worker to each.
fn apart(args: &SoakArgs) -> CheckArgs {
    CheckArgs {
        base: BaseArgs::default(),
        judge: JudgeBy::Auto,
        verbose: false,
        image: args.image.clone(),
        each: false,
        // Not used, as the time is given.
        programs: 0,
        time: Some(args.time),
        seed: args.seed,
        tasks: None,
        jobs: Some(args.threads),
        without: Vec::new(),
        out: args.out.clone(),
        format: args.format,
    }
}
