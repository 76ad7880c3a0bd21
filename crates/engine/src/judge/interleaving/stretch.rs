// SPDX-License-Identifier: GPL-2.0-only
//! A row of an interleaving, as plain data: the report lays it out, and JSON has it as it is.

use serde::{Deserialize, Serialize};

/// A row of the view: an op, or the part of one that ran until another context went on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// A task by index, the worker or kswapd.
    pub context: usize,
    /// The number of its op; `DRAIN` also for what runs in no op, such as kswapd.
    pub op: u32,
    pub what: String,
    /// What came of it and what stopped it, one line each.
    pub notes: Vec<String>,
}
