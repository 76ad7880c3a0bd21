// SPDX-License-Identifier: GPL-2.0-only
//! `percuss tree`: what is compiled for an image, and what is known about it before any campaign.

use percuss::image::Image;
use percuss::report;

use super::args::{Format, TreeArgs};
use super::{CliError, Exit, output};

/// Builds the image and prints what it consists of; with `--write`, the changed files go to a directory first, for
/// builds that link them.
///
/// # Errors
/// The image is not available, or its files cannot be written.
pub fn run(args: &TreeArgs) -> Result<Exit, CliError> {
    let image = Image::build(&args.image.spec()?)?;
    output::notes(&image.notes);
    // Before the report: its reader may rely on the files being there.
    if let Some(dir) = &args.write {
        // An empty directory would be taken for a patched tree that changes nothing.
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
    Ok(Exit::Clean)
}
