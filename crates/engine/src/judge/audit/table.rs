// SPDX-License-Identifier: GPL-2.0-only
//! The table: one row for each way in which memory is asked for.
//!
//! A way is what a reader of the code would call one: a function, a kind of memory, the caller's mask, the locks held.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::tracker::Tracker;
use percuss_kernel::event::Event;
use percuss_kernel::events;
use percuss_kernel::gfp::Gfp;
use percuss_program::Program;
use percuss_world::log::Log;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Backing {
    // Of a chunk, from slab or vmalloc.
    Metadata,
    /// The array that page frames pass through while they are mapped. It is made once, the first time that anything is
    /// populated, and never freed.
    PagesArray,
    Page,
    VmAreas,
    PageTable,
    // No memory by itself, but the memcg may reclaim to make room for it.
    Charge,
}

impl Backing {
    pub fn name(self) -> &'static str {
        match self {
            Backing::Metadata => "chunk metadata",
            Backing::PagesArray => "pages array",
            Backing::Page => "pages",
            Backing::VmAreas => "vm areas",
            Backing::PageTable => "page tables",
            Backing::Charge => "memcg charge",
        }
    }
}

/// Whether anything was populated since boot before this request. The first time is apart because it makes the pages
/// array, a request that no later one repeats.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Populate {
    First,
    Later,
    // Not part of populating.
    Other,
}

impl Populate {
    fn name(self) -> &'static str {
        match self {
            Populate::First => "first",
            Populate::Later => "later",
            Populate::Other => "",
        }
    }
}

/// One way in which memory is asked for: requests that agree in all of this are one row. The mask that arrives at the
/// page allocator says whether it may enter a file system or start IO while the locks are held, which is what the audit
/// is made to find.
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AuditRow {
    /// The function of the tree that asks, `?` when call sites were not recorded.
    pub function: String,
    pub what: Backing,
    pub place: Populate,
    /// Mask the percpu allocator was called with; None for the worker.
    pub caller: Option<u32>,
    /// Scopes in force by their flags' names, those that the allocator entered itself included.
    pub scopes: String,
    pub passed: u32,
    /// What the scopes leave of `passed`.
    pub effective: u32,
    /// Locks held, outermost first.
    pub locks: Vec<String>,
}

impl AuditRow {
    /// The request may enter file systems while pcpu_alloc_mutex is held. If such a file system allocates per-CPU
    /// memory itself, it waits for a mutex that its own caller holds.
    pub fn fs_under_mutex(&self) -> bool {
        self.reclaims(Gfp::FS)
    }

    pub fn io_under_mutex(&self) -> bool {
        self.reclaims(Gfp::IO)
    }

    fn reclaims(&self, flag: Gfp) -> bool {
        let gfp = Gfp(self.effective);
        // A mask that does not block never reclaims directly, whatever else it has.
        gfp.allows_blocking() && gfp.intersects(flag) && self.locks.iter().any(|l| l == "pcpu_alloc_mutex")
    }

    /// The site in words: `pcpu_create_chunk, vm areas`.
    pub fn site(&self) -> String {
        format!("{}, {}", self.function, self.what.name())
    }
}

/// The table of one or more runs. Rows are sorted and each way is in it once, so that the tables of two trees can be
/// compared line by line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// Rows in order, each with the number of requests.
    pub rows: Vec<(AuditRow, u64)>,
}

impl Audit {
    /// Reads a log whose call sites were recorded; without them the functions are unknown.
    pub fn of(program: &Program, log: &Log) -> Audit {
        let mut tracker = Tracker::default();
        let mut rows: BTreeMap<AuditRow, u64> = BTreeMap::new();
        let mut populated = false;
        for (i, event) in log.events().iter().enumerate() {
            // Fed before the row is made: a request changes nothing that is in force.
            tracker.feed(event);
            populated |= matches!(event, Event::Map { .. });
            let Some((what, gfp)) = asked(event) else { continue };
            // Only the array is followed by pages; a chunk's metadata by more metadata or by its address space.
            let next = log.events()[i + 1..].iter().find_map(asked);
            let array = what == Backing::Metadata && next.is_some_and(|(next, _)| next == Backing::Page);
            let what = if array { Backing::PagesArray } else { what };
            let function = log.site_of(i).map_or_else(|| "?".to_owned(), |s| s.function.to_string());
            let populating = matches!(what, Backing::Page | Backing::PageTable | Backing::PagesArray);
            // Only what is asked for to populate has a first time.
            let place = match (populating, populated) {
                (false, _) => Populate::Other,
                (true, false) => Populate::First,
                (true, true) => Populate::Later,
            };
            populated |= matches!(event, Event::Map { ok: true, .. });
            let row = AuditRow {
                function,
                what,
                place,
                caller: tracker.caller(program).map(|g| g.0),
                scopes: tracker.scopes(),
                passed: gfp.0,
                effective: tracker.effective(gfp).0,
                locks: tracker.locks().iter().map(|l| (*l).to_owned()).collect(),
            };
            *rows.entry(row).or_default() += 1;
        }
        Audit { rows: rows.into_iter().collect() }
    }

    pub fn merge(&mut self, other: Audit) {
        let mut all: BTreeMap<AuditRow, u64> = std::mem::take(&mut self.rows).into_iter().collect();
        other.rows.into_iter().for_each(|(row, n)| *all.entry(row).or_default() += n);
        self.rows = all.into_iter().collect();
    }

    /// The table as one object: masks by name, and how often each row was seen.
    pub fn json(&self, tree: &str, applied: &[String]) -> String {
        let row = |(row, seen): &(AuditRow, u64)| {
            serde_json::json!({
                "function": row.function,
                "what": row.what.name(),
                "populate": row.place.name(),
                "caller": row.caller.map(|g| Gfp(g).to_string()),
                "scopes": row.scopes,
                "passed": Gfp(row.passed).to_string(),
                "effective": Gfp(row.effective).to_string(),
                "locks": row.locks,
                "seen": seen,
            })
        };
        let rows: Vec<_> = self.rows.iter().map(row).collect();
        let value = serde_json::json!({
            "schema": "percuss-audit-1",
            "tree": tree,
            "patches": applied,
            "not_modelled": super::NOT_MODELLED,
            "rows": rows,
        });
        serde_json::to_string_pretty(&value).expect("plain data")
    }

    /// The table as plain text, without counts, so that two of them can be compared with diff.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let mut last = String::new();
        for (row, _) in &self.rows {
            // Rows are in order, so those of one site stand together under one heading.
            let site = row.site();
            if site != last {
                let _ = writeln!(out, "{site}");
                last = site;
            }
            let caller = row.caller.map_or("worker".to_owned(), |g| Gfp(g).to_string());
            let scopes = if row.scopes.is_empty() { String::new() } else { format!(" in {}", row.scopes) };
            let place = match row.place {
                Populate::Other => String::new(),
                place @ (Populate::First | Populate::Later) => format!(" {}", place.name()),
            };
            let locks = if row.locks.is_empty() { "no lock".to_owned() } else { row.locks.join(" > ") };
            let (passed, effective) = (Gfp(row.passed), Gfp(row.effective));
            let _ = writeln!(out, "  caller {caller}{scopes}:{place} passes {passed}, effective {effective}; {locks}");
        }
        out
    }
}

/// What the event asks for, and with which mask; None for events that are no request.
pub(super) fn asked(event: &Event) -> Option<(Backing, Gfp)> {
    Some(match *event {
        Event::Kzalloc { gfp, .. } | Event::Vmalloc { gfp, .. } => (Backing::Metadata, gfp),
        Event::PageAlloc { gfp, .. } => (Backing::Page, gfp),
        Event::VmAreas { gfp, .. } => (Backing::VmAreas, gfp),
        Event::PageTable { gfp, .. } => (Backing::PageTable, gfp),
        Event::Charge { gfp, .. } => (Backing::Charge, gfp),
        events!(flow | locks | context | releases | services | reclaim | traces | defects) => return None,
    })
}
