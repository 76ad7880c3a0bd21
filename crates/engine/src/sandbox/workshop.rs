// SPDX-License-Identifier: GPL-2.0-only
//! The directories of one compilation.

use std::path::PathBuf;

/// What the compiler may use. Everything is listed: the working directory is not readable unless it is below one of
/// these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workshop {
    /// Directories it may read, besides the system's: the tree.
    pub read: Vec<PathBuf>,
    /// Directories it may write, and read: the scratch directory.
    pub write: Vec<PathBuf>,
}
