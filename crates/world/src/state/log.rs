// SPDX-License-Identifier: GPL-2.0-only
//! The event log of one run.

use std::sync::Arc;

use percuss_kernel::event::Event;

/// Events a program may make before it is stopped as endless.
pub const EVENTS_MAX: usize = 1 << 21;

/// Events whose memory a log keeps from one program to the next (1.5 MiB).
const KEPT: usize = 1 << 15;

/// A place in the source of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallSite {
    /// Function.
    pub function: Arc<str>,
    /// File, relative to the tree.
    pub file: Arc<str>,
    /// Line, 1-based.
    pub line: u32,
}

impl std::fmt::Display for CallSite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}:{})", self.function, self.file, self.line)
    }
}

/// Events in order, with the texts of diagnostics beside them.
#[derive(Debug, Default, PartialEq)]
pub struct Log {
    events: Vec<Event>,
    texts: Vec<(u32, String)>,
    /// Where events come from, when that is recorded; in order of the events.
    sites: Vec<(u32, CallSite)>,
}

impl Log {
    /// An empty log.
    pub fn new() -> Log {
        Log { events: Vec::with_capacity(4096), texts: Vec::new(), sites: Vec::new() }
    }

    /// Forgets all events.
    pub fn clear(&mut self) {
        self.events.clear();
        self.texts.clear();
        self.sites.clear();
        // One long program must not keep its log's memory for the rest of the campaign: there is a log for every Model.
        if self.events.capacity() > KEPT {
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

    /// Notes where the next event comes from.
    pub fn site(&mut self, site: CallSite) {
        self.sites.push((self.events.len() as u32, site));
    }

    /// Where the event at `index` comes from, when that was recorded.
    pub fn site_of(&self, index: usize) -> Option<&CallSite> {
        let at = self.sites.binary_search_by_key(&(index as u32), |(i, _)| *i).ok()?;
        Some(&self.sites[at].1)
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
