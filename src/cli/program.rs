// SPDX-License-Identifier: GPL-2.0-only
//! This executable, which starts itself: each worker, and each compiler that reads a tree, is a process of its own.

use std::path::PathBuf;

use super::CliError;

/// The path of this executable, through which images are compiled, probed and run.
///
/// # Errors
/// The system does not know it. An image without it would be compiled and loaded by this process, which is not
/// confined: code of a stranger's tree could do what the user can.
pub fn this_program() -> Result<PathBuf, CliError> {
    std::env::current_exe().map_err(CliError::NoProgram)
}
