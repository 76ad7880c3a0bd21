// SPDX-License-Identifier: GPL-2.0-only
//! `percuss tree`

use percuss::image::Image;
use percuss::report;

use super::args::{Format, TreeArgs};
use super::{CliError, EXIT_CLEAN};

/// Runs the verb.
///
/// # Errors
/// The image cannot be had.
pub fn run(args: &TreeArgs) -> Result<u8, CliError> {
    let image = Image::build(&args.image.spec()?)?;
    match args.format {
        Format::Json => println!("{}", report::tree_json(&image)),
        Format::Human => anstream::print!("{}", report::tree(&image)),
    }
    Ok(EXIT_CLEAN)
}
