// SPDX-License-Identifier: GPL-2.0-only
//! `percuss scenario`

use percuss::experiments::scenario::{compute, select};
use percuss::report;

use super::args::{Format, ScenarioArgs};
use super::{CliError, EXIT_CLEAN, output};

/// Runs the verb. Scenarios that find something are no failure: that is what they are for.
///
/// # Errors
/// There is no such scenario, or an image cannot be had.
pub fn run(args: &ScenarioArgs) -> Result<u8, CliError> {
    let rows = select(&args.names)?;
    let matrix = compute(&args.image.spec()?, &rows, args.jobs)?;
    let text = match args.format {
        Format::Json => report::matrix_json(&matrix) + "\n",
        Format::Human => report::matrix(&matrix, !args.names.is_empty(), output::width()),
    };
    output::print(&text)?;
    Ok(EXIT_CLEAN)
}
