// SPDX-License-Identifier: GPL-2.0-only
//! Interleavings: what each task did and where it was stopped, in the order of time.
//!
//! They are read from the events alone, so that they can be made of any log: that of an image, of the Model, of a
//! child.

mod follow;
mod words;

use serde::{Deserialize, Serialize};

use percuss_kernel::event::Event;
use percuss_program::Program;

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

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interleaving {
    /// In the order in which they began.
    pub rows: Vec<Stretch>,
}

impl Interleaving {
    /// The interleaving of a run of this program that has left these events.
    pub fn of(program: &Program, events: &[Event]) -> Interleaving {
        let mut follow = follow::Follow::new(program);
        events.iter().for_each(|e| follow.event(*e));
        Interleaving { rows: follow.finish() }
    }
}
