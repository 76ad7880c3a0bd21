// SPDX-License-Identifier: GPL-2.0-only
//! `percuss diff`

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
use super::{CliError, EXIT_CLEAN, output};

/// Runs the verb. Changes are no failure: a patch is there to change something.
///
/// # Errors
/// There is nothing to compare with, or an image cannot be had.
pub fn run(args: &DiffArgs) -> Result<u8, CliError> {
    let spec = args.image.spec()?;
    let (before, after) = (Image::build(&before(args, &spec)?)?, Image::build(&spec)?);
    output::notes(&before.notes);
    output::notes(&after.notes);
    let oracles = Oracles::without(OracleKind::Lockstep);
    let programs = programs(args);
    let progress = Arc::new(Progress::default());
    let display =
        Display::start(progress.clone(), Extent::Programs(programs.len() as u64), args.format == Format::Json);
    let setups = [&before, &after].map(|image| image.setup(args.seed, oracles));
    let jobs = args.jobs.map_or_else(processors, usize::from);
    let changes = compare([&setups[0], &setups[1]], &programs, jobs, !args.no_minimize, &progress)?;
    drop(display);
    let compared = Compared { before: &before, after: &after, seed: args.seed, changes: &changes };
    let text = match args.format {
        Format::Json => report::changes_json(&compared) + "\n",
        Format::Human => report::changes(&compared, output::width()),
    };
    output::print(&text)?;
    Ok(EXIT_CLEAN)
}

/// What is compared with: another tree, revision, patch or variant; or the tree alone.
fn before(args: &DiffArgs, after: &ImageSpec) -> Result<ImageSpec, CliError> {
    let changed = !after.patches.is_empty() || after.variant.is_some() || !after.edits.is_empty();
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
        edits: Vec::new(),
        ..after.clone()
    })
}

/// Scenarios, what comes with percuss, and generated programs.
fn programs(args: &DiffArgs) -> Vec<Program> {
    let mut generator = Generator::new(args.seed);
    let scenarios = ROWS.iter().flat_map(Row::programs).map(|(_, program)| program);
    let probes = Quirk::in_probe_order().into_iter().map(probe_program);
    let texts = scenarios.chain(corpus_programs()).chain(probes);
    texts.chain((0..args.programs).map(|i| generator.program(i))).collect()
}
