// SPDX-License-Identifier: GPL-2.0-only
//! `percuss replay`

use percuss::campaign::{self, Oracles};
use percuss::image::Image;
use percuss::report;

use super::args::{Format, ReplayArgs};
use super::image::{describe, read_program};
use super::{CliError, EXIT_CLEAN, EXIT_FINDINGS};

/// Events shown around a divergence.
const CONTEXT: usize = 12;

/// Runs the verb.
///
/// # Errors
/// The program or the image cannot be had.
pub fn run(args: &ReplayArgs) -> Result<u8, CliError> {
    let program = read_program(&args.file)?;
    let image = Image::build(&args.image.spec()?)?;
    let setup = image.setup(1, Oracles::default());
    let batch = campaign::one(&setup, &program)?;
    if args.format == Format::Json {
        println!("{}", report::replay_json(&image, &program, &batch));
    } else {
        describe(&image).iter().for_each(|l| println!("{l}"));
        println!("\n{program}");
        if args.events || batch.found.iter().any(|f| f.finding.oracle == percuss::oracle::Oracle::Lockstep) {
            let context = if args.events { usize::MAX / 2 } else { CONTEXT };
            let (left, right, differs) = campaign::logs(&setup, &program, context)?;
            anstream::print!("{}", report::side_by_side(&left, &right, differs));
        }
        anstream::print!("{}", report::findings(&batch));
    }
    let new = batch.found.iter().any(|f| f.finding.quirk.is_none());
    Ok(if new && !program.unsafe_caller { EXIT_FINDINGS } else { EXIT_CLEAN })
}
