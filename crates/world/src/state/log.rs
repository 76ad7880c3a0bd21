// SPDX-License-Identifier: GPL-2.0-only
//! The event log of one run.

use std::sync::Arc;

use percuss_kernel::event::Event;

/// Events after which a program is stopped as endless. The log takes 96 MiB then, far more than that of any
/// program that ends.
pub const EVENTS_MAX: usize = 1 << 21;

/// Events for which a log keeps memory from one program to the next, 1.5 MiB. Most programs make fewer.
const KEPT: usize = 1 << 15;

/// Texts that a log keeps. Reports show the first few.
const TEXTS: usize = 64;

/// A place in the source of a tenant, from which it called the World.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallSite {
    pub function: Arc<str>,
    /// The file, relative to the kernel tree.
    pub file: Arc<str>,
    /// The line, counted from 1.
    pub line: u32,
}

impl std::fmt::Display for CallSite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}:{})", self.function, self.file, self.line)
    }
}

/// Events in order. Texts and call sites are kept apart from them, since few events have any and events are compared by
/// value.
#[derive(Debug, Default, PartialEq)]
pub struct Log {
    events: Vec<Event>,
    /// Index of the event and text, in order of the events.
    texts: Vec<(u32, String)>,
    /// Index of the event and where it comes from, in order of the events; empty unless that is recorded.
    sites: Vec<(u32, CallSite)>,
}

impl Log {
    pub fn new() -> Log {
        Log { events: Vec::with_capacity(4096), texts: Vec::new(), sites: Vec::new() }
    }

    pub fn clear(&mut self) {
        self.events.clear();
        self.texts.clear();
        self.sites.clear();
        // There is a log for every Model: the memory of one long program must not stay for the rest of the campaign.
        if self.events.capacity() > KEPT {
            self.events.shrink_to(4096);
        }
    }

    #[inline]
    pub fn push(&mut self, e: Event) {
        self.events.push(e);
    }

    /// Attaches a text to the event that is appended next.
    pub fn text(&mut self, text: &str) {
        // A tenant that prints without end must not fill the memory.
        if self.texts.len() < TEXTS {
            self.texts.push((self.events.len() as u32, text.to_owned()));
        }
    }

    /// Attaches a call site to the event that is appended next.
    pub fn site(&mut self, site: CallSite) {
        self.sites.push((self.events.len() as u32, site));
    }

    /// Where the event at `index` comes from; None unless that was recorded.
    pub fn site_of(&self, index: usize) -> Option<&CallSite> {
        // Sites are appended together with their events, so they are in order.
        let at = self.sites.binary_search_by_key(&(index as u32), |(i, _)| *i).ok()?;
        Some(&self.sites[at].1)
    }

    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The text of the event at `index`; None when it has none.
    pub fn text_of(&self, index: usize) -> Option<&str> {
        self.texts.iter().find(|(i, _)| *i as usize == index).map(|(_, t)| t.as_str())
    }
}
