// SPDX-License-Identifier: GPL-2.0-only
//! `percuss check`: the campaign that gives the verdict on a tree. It runs the corpus, then generated programs, on the
//! image and the Model, and lets all oracles look.

use std::sync::Arc;

use percuss::campaign::Progress;
use percuss::image::ImageSpec;
use percuss::report;

use super::args::CheckArgs;
use super::verdict::image_verdict;
use super::{CliError, Exit, base, each, interrupt, output};

/// Builds the image and checks it, or with `--each` every step of a series. The exit code is 1 for new findings, and 2
/// for a campaign that was interrupted before it found any: nothing can be concluded from that.
///
/// # Errors
/// The image cannot be built, no worker runs, or findings cannot be written.
pub fn run(args: &CheckArgs) -> Result<Exit, CliError> {
    let write_error = |error| CliError::File { what: "write findings to", path: args.out.clone(), error };
    // Before anything is built: a campaign of hours must not end with findings that cannot be written.
    report::prepare(&args.out).map_err(write_error)?;
    if args.each {
        return each::run(args);
    }
    let spec = ImageSpec { coverage: true, ..args.image.spec()? };
    let before = args.base.build(&spec)?;
    let image = base::build(&spec, before.as_ref())?;
    output::notes(&image.notes);
    let progress = Arc::new(Progress::default());
    interrupt::catch(progress.clone())?;
    image_verdict(args, &image, &progress, &args.out, None)
}
