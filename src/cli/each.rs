// SPDX-License-Identifier: GPL-2.0-only
//! `percuss check --each`: a verdict after every patch of a series.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use percuss::campaign::Progress;
use percuss::image::{Image, ImageError, ImageSpec};
use percuss::patch::{self, Patch};
use percuss::report::{self, Step};

use super::args::{CheckArgs, Format};
use super::check::image_verdict;
use super::{CliError, EXIT_CLEAN, EXIT_ERROR, EXIT_FINDINGS, EXIT_NO_BUILD, interrupt, output};

/// Checks the tree with the first patch, with the first two, and so on. The exit code is the worst of all.
///
/// # Errors
/// A patch does not apply, or a check cannot be made. A step that does not build is told and passed over.
pub(super) fn run(args: &CheckArgs) -> Result<u8, CliError> {
    let spec = args.image.spec()?;
    let series = patch::load(&spec.patches, spec.lenient).map_err(ImageError::from)?;
    output::notes(&series.notes);
    let progress = Arc::new(Progress::default());
    interrupt::catch(progress.clone())?;
    let mut worst = EXIT_CLEAN;
    for (i, patch) in series.patches.iter().enumerate() {
        let step = Step { number: i + 1, of: series.patches.len(), title: &patch.title };
        worst = worst.max_by_rank(one(args, &spec, patch, step, &progress)?);
        if progress.stop.load(Ordering::Relaxed) {
            return Ok(worst.max_by_rank(EXIT_ERROR));
        }
        for counter in [&progress.programs, &progress.ops, &progress.findings] {
            counter.store(0, Ordering::Relaxed);
        }
    }
    Ok(worst)
}

/// The verdict after one patch.
fn one(
    args: &CheckArgs,
    spec: &ImageSpec,
    patch: &Patch,
    step: Step<'_>,
    progress: &Arc<Progress>,
) -> Result<u8, CliError> {
    if args.format == Format::Human {
        let blank = if step.number > 1 { "\n" } else { "" };
        output::print(&format!("{blank}{}\n\n", report::step(step)))?;
    }
    match Image::build(&ImageSpec { upto: Some(step.number), ..spec.clone() }) {
        Ok(image) => {
            let out = args.out.join(format!("{:04}", step.number));
            image_verdict(args, &image, progress, &out, Some(step))
        }
        Err(error) if error.is_build_failure() => {
            let error = CliError::from(error);
            if args.format == Format::Json {
                output::print(&(report::step_error_json(step, &error.to_string()) + "\n"))?;
            } else {
                output::print(&format!("does not build, see the messages for {}\n", patch.name))?;
            }
            error.print();
            Ok(EXIT_NO_BUILD)
        }
        Err(error) => Err(error.into()),
    }
}

/// Exit codes by how bad they are.
trait Rank {
    fn max_by_rank(self, other: u8) -> u8;
}

impl Rank for u8 {
    fn max_by_rank(self, other: u8) -> u8 {
        let rank = |code: u8| [EXIT_CLEAN, EXIT_FINDINGS, EXIT_NO_BUILD, EXIT_ERROR].iter().position(|c| *c == code);
        if rank(other) > rank(self) { other } else { self }
    }
}
