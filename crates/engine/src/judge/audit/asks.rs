// SPDX-License-Identifier: GPL-2.0-only
//! Requests for memory as two trees are compared by: where, for whom, and with which mask in force.
//!
//! The audit's rows are finer and for readers; here a request is told apart by what stays the same when a tree changes
//! its masks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::table::{Backing, asked};
use super::tracker::Tracker;
use percuss_kernel::event::Event;
use percuss_kernel::{CONTEXTS, Cursor};
use percuss_program::Program;
use percuss_world::log::Log;

/// A request for memory, apart from its mask.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Ask {
    /// Call site, by a task or the worker, with the mutex held or not.
    pub site: String,
    /// Which request for a chunk's metadata it is, from 1: the arrays of a chunk are asked for by one helper, in an
    /// order that does not change. 0 for other memory.
    pub part: u32,
    /// Mask the percpu allocator was called with, and what the caller's own scopes left of it; None for the worker.
    pub caller: Option<(u32, u32)>,
}

/// The requests of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asks {
    /// Each with a mask that was in force, and the number of ops begun when it was seen first.
    pub all: Vec<(Ask, u32, u32)>,
}

impl Asks {
    /// Reads a log whose call sites were recorded.
    pub fn of(program: &Program, log: &Log) -> Asks {
        let (mut tracker, mut cursor) = (Tracker::default(), Cursor::new());
        let mut parts = [0_u32; CONTEXTS];
        let mut begun = 0;
        // What each op may do that has begun, by number. The scopes that the allocator enters later are not the caller's.
        let mut callers: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
        let mut all: BTreeMap<(Ask, u32), u32> = BTreeMap::new();
        for (i, event) in log.events().iter().enumerate() {
            tracker.feed(event);
            cursor.advance(event);
            if matches!(event, Event::OpBegin { .. } | Event::WorkBegin) {
                begun += u32::from(matches!(event, Event::OpBegin { .. }));
                parts[cursor.context()] = 0;
            }
            if let (Event::OpBegin { op }, Some(gfp)) = (*event, tracker.caller(program)) {
                callers.insert(op, (gfp.0, tracker.effective(gfp).0));
            }
            let Some((what, gfp)) = asked(event) else { continue };
            // Only the array is followed by pages; a chunk's metadata by more metadata or by its address space.
            let next = log.events()[i + 1..].iter().find_map(asked);
            let array = what == Backing::Metadata && next.is_some_and(|(next, _)| next == Backing::Page);
            let what = if array { Backing::PagesArray } else { what };
            let part = &mut parts[cursor.context()];
            *part = if what == Backing::Metadata { *part + 1 } else { 0 };
            let caller = tracker.caller(program).and_then(|_| callers.get(&cursor.running()?).copied());
            let function = log.site_of(i).map_or("?", |s| &s.function);
            let worker = if caller.is_some() { "" } else { " by the worker" };
            let locked = tracker.locks().contains(&"pcpu_alloc_mutex");
            let place = if locked { "" } else { ", without pcpu_alloc_mutex" };
            let function = function.strip_suffix("_noprof").unwrap_or(function);
            let site = format!("{function}, {}{worker}{place}", what.name());
            let ask = Ask { site, part: *part, caller };
            all.entry((ask, tracker.effective(gfp).0)).or_insert(begun);
        }
        Asks { all: all.into_iter().map(|((ask, mask), at)| (ask, mask, at)).collect() }
    }
}
