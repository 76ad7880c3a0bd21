// SPDX-License-Identifier: GPL-2.0-only
//! Interleavings: what each task did and where it was stopped, in the order of time. Read from events alone.

mod follow;
mod words;

use serde::{Deserialize, Serialize};

use percuss_kernel::event::Event;
use percuss_program::Program;

/// An op, or the part of one that ran until another context went on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Who: a task by index, the worker or kswapd.
    pub context: usize,
    /// The op it runs, by number.
    pub op: u32,
    /// What it does.
    pub what: String,
    /// What came of it, and what stopped it.
    pub notes: Vec<String>,
}

/// A run, row by row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interleaving {
    /// In the order of time.
    pub rows: Vec<Row>,
}

impl Interleaving {
    /// The interleaving of a run of this program.
    pub fn of(program: &Program, events: &[Event]) -> Interleaving {
        let mut follow = follow::Follow::new(program);
        events.iter().for_each(|e| follow.event(*e));
        Interleaving { rows: follow.finish() }
    }
}
