// SPDX-License-Identifier: GPL-2.0-only
//! `percuss show`

use super::args::ShowArgs;
use super::input::read_program;
use super::{CliError, EXIT_CLEAN, output};

/// Runs the verb.
///
/// # Errors
/// The file is no program.
pub fn run(args: &ShowArgs) -> Result<u8, CliError> {
    output::print(&read_program(&args.file)?.to_string())?;
    Ok(EXIT_CLEAN)
}
