// SPDX-License-Identifier: GPL-2.0-only
//! `percuss tree`

use percuss::image::Image;
use percuss::report;

use super::args::{Format, TreeArgs};
use super::{CliError, EXIT_CLEAN, output};

/// Runs the verb.
///
/// # Errors
/// The image cannot be had.
pub fn run(args: &TreeArgs) -> Result<u8, CliError> {
    let image = Image::build(&args.image.spec()?)?;
    output::notes(&image.notes);
    output::print(&match args.format {
        Format::Json => report::tree_json(&image) + "\n",
        Format::Human => report::tree(&image, output::width()),
    })?;
    Ok(EXIT_CLEAN)
}
