// SPDX-License-Identifier: GPL-2.0-only
//! Interleavings: what each task did and where it was stopped, in the order of time.
//!
//! They are read from the events alone, so that they can be made of any log: that of an image, of the Model, of a
//! child.

mod follow;
mod stretch;
mod words;

use serde::{Deserialize, Serialize};

pub use stretch::Stretch;
pub use words::end;

use percuss_kernel::event::Event;
use percuss_program::Program;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interleaving {
    /// In the order in which they began, which is that of time: a context that goes on after another has a new row.
    pub rows: Vec<Stretch>,
}

impl Interleaving {
    /// The interleaving of a run of this program that has left these events. The program gives the words for ops and
    /// says which handlers are hard.
    pub fn of(program: &Program, events: &[Event]) -> Interleaving {
        let mut follow = follow::Follow::new(program);
        events.iter().for_each(|e| follow.event(*e));
        Interleaving { rows: follow.finish() }
    }
}
