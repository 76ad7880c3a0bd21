// SPDX-License-Identifier: GPL-2.0-only
//! `percuss diff`: what a patch changes, even where no oracle objects. The same programs run on both images, and their
//! events are compared.

use std::sync::Arc;

use percuss::campaign::{Extent, Progress, compare, corpus_programs, processors};
use percuss::experiments::scenario::{ROWS, Row};
use percuss::image::{Image, ImageSpec};
use percuss::judge::{Oracles, probe_program};
use percuss::model::Quirk;
use percuss::oracle::OracleKind;
use percuss::program::{Generator, Program};
use percuss::report::{self, Compared};

use super::args::{DiffArgs, Format};
use super::progress::Display;
use super::{CliError, Exit, output};

/// Builds both images, compares them and prints the changes. Changes are no failure, as a patch is there to change
/// something: the exit code is 0.
///
/// # Errors
/// There is nothing to compare with, or an image is not available.
pub fn run(args: &DiffArgs) -> Result<Exit, CliError> {
    let spec = ImageSpec { coverage: true, ..args.image.spec()? };
    let (before, after) = (Image::build(&before(args, &spec)?)?, Image::build(&spec)?);
    output::notes(&before.notes);
    output::notes(&after.notes);
    // Lockstep compares with the Model, which is of no interest here: the two images are compared with each other.
    let oracles = Oracles::without(OracleKind::Lockstep);
    let programs = programs(args);
    let progress = Arc::new(Progress::default());
    let display =
        Display::start(progress.clone(), Extent::Programs(programs.len() as u64), args.format == Format::Json);
    // One seed for both sides, so that only the image differs.
    let setups = [&before, &after].map(|image| image.setup(args.seed, oracles));
    let jobs = args.jobs.map_or_else(processors, usize::from);
    let changes = compare([&setups[0], &setups[1]], &programs, jobs, !args.no_minimize, &progress)?;
    // The bar has to be gone before the result is printed.
    drop(display);
    let compared = Compared { before: &before, after: &after, seed: args.seed, changes: &changes };
    let text = match args.format {
        Format::Json => report::changes_json(&compared) + "\n",
        Format::Human => report::changes(&compared, output::width()),
    };
    output::print(&text)?;
    Ok(Exit::Clean)
}

/// The image before the change: another tree, revision, patch or variant; or the tree alone. What is not given is
/// taken from the image after the change.
fn before(args: &DiffArgs, after: &ImageSpec) -> Result<ImageSpec, CliError> {
    let changed = !after.patches.is_empty() || after.variant.is_some() || !after.edits.is_empty();
    // Two equal images would run for minutes to show that nothing changes.
    let given = args.against.is_some()
        || args.against_rev.is_some()
        || !args.against_patch.is_empty()
        || args.against_variant.is_some();
    if !changed && !given {
        return Err(CliError::Input(
            "nothing to compare with: give --patch, --variant or --edit, or what comes before with --against"
                .to_owned(),
        ));
    }
    // A revision is the tree's that it was given with.
    let rev = if args.against.is_none() { after.rev.clone() } else { None };
    Ok(ImageSpec {
        tree: args.against.clone().unwrap_or_else(|| after.tree.clone()),
        rev: args.against_rev.clone().or(rev),
        patches: args.against_patch.clone(),
        variant: args.against_variant.clone(),
        // Edits belong to the side after the change; there is no option for the other one.
        edits: Vec::new(),
        coverage: false,
        ..after.clone()
    })
}

/// The programs to compare on: scenarios, corpus and probes, which get to the rare paths, then generated ones. The
/// same for both images, and for every run with the same seed.
fn programs(args: &DiffArgs) -> Vec<Program> {
    let mut generator = Generator::new(args.seed);
    let scenarios = ROWS.iter().flat_map(Row::programs).map(|(_, program)| program);
    let probes = Quirk::in_probe_order().into_iter().map(probe_program);
    let texts = scenarios.chain(corpus_programs()).chain(probes);
    texts.chain((0..args.programs).map(|i| generator.program(i))).collect()
}
