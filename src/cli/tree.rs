// SPDX-License-Identifier: GPL-2.0-only
//! `percuss tree`

use percuss::image::Image;
use percuss::report;

use super::args::{Format, TreeArgs};
use super::{CliError, EXIT_CLEAN, output};

/// Runs the verb.
///
/// # Errors
/// The image cannot be had, or its files not be written.
pub fn run(args: &TreeArgs) -> Result<u8, CliError> {
    let image = Image::build(&args.image.spec()?)?;
    output::notes(&image.notes);
    if let Some(dir) = &args.write {
        if image.applied.is_empty() {
            return Err(CliError::Input("nothing is changed: give --patch, --variant or --edit".to_owned()));
        }
        let failed = |error| CliError::File { what: "write", path: dir.clone(), error };
        image.write_changed(dir).map_err(failed)?;
    }
    output::print(&match args.format {
        Format::Json => report::tree_json(&image) + "\n",
        Format::Human => report::tree(&image, output::width()),
    })?;
    Ok(EXIT_CLEAN)
}
