// SPDX-License-Identifier: GPL-2.0-only
//! `percuss check --each`: a verdict after every patch of a series. A series has to work after each patch, or a later
//! `git bisect` stops at a bug of its own.

use std::sync::Arc;

use percuss::campaign::{Progress, SeriesStep, series};
use percuss::image::{Image, ImageSpec};
use percuss::report;

use super::args::{CheckArgs, Format};
use super::verdict::image_verdict;
use super::{CliError, Exit, base, interrupt, output};

/// Checks the tree with the first patch, with the first two, and so on. The exit code is the worst of all. A step that
/// does not build is reported, and the next one is checked.
///
/// # Errors
/// A patch does not apply, or a check cannot be made.
pub(super) fn run(args: &CheckArgs) -> Result<Exit, CliError> {
    let spec = ImageSpec { coverage: true, ..args.image.spec()? };
    let series = series(&spec)?;
    output::notes(&series.notes);
    let progress = Arc::new(Progress::default());
    interrupt::catch(progress.clone())?;
    let before = args.base.build(&spec)?;
    let mut worst = Exit::Clean;
    for step in &series.steps {
        worst = worst.worst(one(args, &spec, before.as_ref(), step, &progress)?);
        if progress.stopped() {
            // A stop is for the whole series: steps that were not checked leave its verdict open.
            return Ok(worst.worst(Exit::Error));
        }
        progress.restart();
    }
    Ok(worst)
}

fn one(
    args: &CheckArgs,
    spec: &ImageSpec,
    before: Option<&Arc<Image>>,
    step: &SeriesStep,
    progress: &Arc<Progress>,
) -> Result<Exit, CliError> {
    if args.format == Format::Human {
        let blank = if step.number > 1 { "\n" } else { "" };
        output::print(&format!("{blank}{}\n\n", report::step(step)))?;
    }
    // Built from the tree each time: a patch may undo what one before it did.
    match base::build(&step.spec(spec), before) {
        Ok(image) => {
            // A directory for each step, as the same finding mostly shows in all later ones under the same name.
            let out = args.out.join(format!("{:04}", step.number));
            image_verdict(args, &image, progress, &out, Some(step.clone()))
        }
        // A result about the patch, not about our environment: all other errors end the series.
        Err(error) if error.is_build_failure() => {
            let error = CliError::from(error);
            if args.format == Format::Json {
                output::print(&(report::step_error_json(step, &error.to_string()) + "\n"))?;
            } else {
                output::print(&format!("does not build, see the messages for {}\n", step.patch))?;
            }
            error.print();
            Ok(Exit::NoBuild)
        }
        Err(error) => Err(error.into()),
    }
}
