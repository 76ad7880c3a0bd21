// SPDX-License-Identifier: GPL-2.0-only
//! A row of an interleaving.

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
