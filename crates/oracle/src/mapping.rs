// SPDX-License-Identifier: GPL-2.0-only
//! Mapping: page tables, and translations that a CPU may still have cached.
//!
//! A translation that is not flushed does harm only when its address is used again, often by another task much later;
//! the World sees it at that use.

use percuss_kernel::event::Event;
use percuss_kernel::events;

use crate::{Finding, Moment, Oracle, OracleKind};

/// Reports what the World saw go wrong with a mapping. It keeps page tables and a cache of translations itself, so each
/// of these events is wrong whatever came before it.
#[derive(Debug, Default)]
pub struct Mapping;

impl Oracle for Mapping {
    #[inline]
    fn event(&mut self, at: &Moment<'_>, event: &Event, found: &mut Vec<Finding>) {
        let what = match event {
            Event::StaleTranslation { .. } => "percuss: address used while an old translation may be cached in",
            Event::PageFreedMapped { .. } => "percuss: page freed while still mapped in",
            Event::MapOverPresent { .. } => "percuss: mapping over a present entry in",
            Event::Fault { .. } => "BUG: unable to handle page fault in",
            // These are the ledger's and the lock-order engine's.
            Event::BadPageFree { .. } | Event::BadKvfree { .. } | Event::Overrun { .. } => return,
            Event::SleepInAtomic { .. }
            | Event::LockMisuse { .. }
            | Event::LockFreed { .. }
            | Event::ContextLeak { .. } => return,
            events!(flow | locks | context | requests | releases | services | reclaim | traces) => return,
        };
        found.push(at.finding(OracleKind::Mapping, event, format!("{what} {}", at.function())));
    }
}
