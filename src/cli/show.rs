// SPDX-License-Identifier: GPL-2.0-only
//! `percuss show`

use super::args::ShowArgs;
use super::input::read_program;
use super::{CliError, EXIT_CLEAN, output};

/// Runs the verb.
///
/// # Errors
/// The file is no program, or the byte form cannot be written.
pub fn run(args: &ShowArgs) -> Result<u8, CliError> {
    let program = read_program(&args.file)?;
    match &args.to_bytes {
        Some(path) => std::fs::write(path, program.encode()).map_err(|error| CliError::File {
            what: "write",
            path: path.clone(),
            error,
        })?,
        None => output::print(&program.to_string())?,
    }
    Ok(EXIT_CLEAN)
}
