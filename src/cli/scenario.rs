// SPDX-License-Identifier: GPL-2.0-only
//! `percuss scenario`: the cases of the NOFS/NOIO review, each on a tree and on variants of it.

use percuss::experiments::scenario::{compute, select};
use percuss::report;

use super::args::{Format, ScenarioArgs};
use super::{CliError, Exit, output};

/// Computes the matrix and prints it; with names, only these rows, with reports and programs. Scenarios that find
/// something are no failure, as that is what they are for: the exit code is 0.
///
/// # Errors
/// There is no such scenario, or an image is not available.
pub fn run(args: &ScenarioArgs) -> Result<Exit, CliError> {
    let rows = select(&args.names)?;
    let matrix = compute(&args.image.spec()?, &rows, args.jobs)?;
    let text = match args.format {
        Format::Json => report::matrix_json(&matrix) + "\n",
        // Rows that were asked for by name are shown with their reports; for all rows these would be pages.
        Format::Human => report::matrix(&matrix, !args.names.is_empty(), output::width()),
    };
    output::print(&text)?;
    Ok(Exit::Clean)
}
