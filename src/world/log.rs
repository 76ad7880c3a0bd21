// SPDX-License-Identifier: GPL-2.0-only
//! The event log of one run.

use super::event::Event;

/// Events a program may make before it is stopped as endless.
pub const EVENTS_MAX: usize = 1 << 21;

/// Events in order, with the texts of diagnostics beside them.
#[derive(Debug, Default)]
pub struct Log {
    events: Vec<Event>,
    texts: Vec<(u32, String)>,
}

impl Log {
    /// An empty log.
    pub fn new() -> Log {
        Log { events: Vec::with_capacity(4096), texts: Vec::new() }
    }

    /// Forgets all events.
    pub fn clear(&mut self) {
        self.events.clear();
        self.texts.clear();
        // One endless program must not keep its log's memory for the rest of the campaign.
        if self.events.capacity() > 1 << 17 {
            self.events.shrink_to(4096);
        }
    }

    /// Appends an event.
    #[inline]
    pub fn push(&mut self, e: Event) {
        self.events.push(e);
    }

    /// Notes the text of the next event.
    pub fn text(&mut self, text: &str) {
        if self.texts.len() < 64 {
            self.texts.push((self.events.len() as u32, text.to_owned()));
        }
    }

    /// All events so far.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The text of the event at `index`, when it has one.
    pub fn text_of(&self, index: usize) -> Option<&str> {
        self.texts.iter().find(|(i, _)| *i as usize == index).map(|(_, t)| t.as_str())
    }
}
