// SPDX-License-Identifier: GPL-2.0-only
//! The directories of one compilation.

use std::path::PathBuf;

/// What the compiler may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workshop {
    /// Directories it may read, beside the system's.
    pub read: Vec<PathBuf>,
    /// Directories it may write.
    pub write: Vec<PathBuf>,
}
