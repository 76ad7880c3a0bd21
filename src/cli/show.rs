// SPDX-License-Identifier: GPL-2.0-only
//! `percuss show`

use super::args::ShowArgs;
use super::image::read_program;
use super::{CliError, EXIT_CLEAN};

/// Runs the verb.
///
/// # Errors
/// The file is no program.
pub fn run(args: &ShowArgs) -> Result<u8, CliError> {
    print!("{}", read_program(&args.file)?);
    Ok(EXIT_CLEAN)
}
