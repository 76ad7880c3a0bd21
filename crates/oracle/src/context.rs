// SPDX-License-Identifier: GPL-2.0-only
//! Context: what a call may do where it is called, and how it leaves its caller.
//!
//! A caller in atomic context, or with interrupts off, must find itself so afterwards, and nothing in between may
//! sleep.

use percuss_kernel::event::Event;
use percuss_kernel::events;
use percuss_lockdep::Report;
use percuss_program::Program;

use crate::lockreport::{finding, is_about_context};
use crate::{Finding, Moment, Oracle, OracleKind};

/// Reports sleeping in atomic context, locks and interrupt state that a call leaves changed, and depopulating that
/// allocates.
///
/// The lock-order engine knows what is held and whether a task may sleep; those of its reports that are about context,
/// not about order, are this oracle's.
#[derive(Debug, Default)]
pub struct Context {
    /// The last event was an allocation of metadata.
    allocated: bool,
}

impl Oracle for Context {
    fn start(&mut self) {
        self.allocated = false;
    }

    #[inline]
    fn event(&mut self, at: &Moment<'_>, event: &Event, found: &mut Vec<Finding>) {
        // Only the event right before counts, so every event clears it.
        let allocated = std::mem::replace(&mut self.allocated, false);
        match event {
            Event::Kzalloc { .. } | Event::Vmalloc { .. } => self.allocated = true,
            // Pages are given back to have memory: the cache flush that begins it must not come right after a request.
            Event::FlushCache { unmap, .. } => {
                if *unmap && allocated {
                    found.push(at.finding(OracleKind::Context, event, "percuss: depopulating allocates memory"));
                }
            }
            Event::ContextLeak { held, .. } => {
                // Locks held are the lock-order engine's, which knows which. Reported here too, the same leak would be
                // two findings.
                if *held == 0 {
                    let title = format!("percuss: {} changes the caller's interrupt state", at.function());
                    found.push(at.finding(OracleKind::Context, event, title));
                }
            }
            // The engine knows the locks that are held then.
            Event::SleepInAtomic { .. } | Event::LockMisuse { .. } | Event::LockFreed { .. } => {}
            Event::BadPageFree { .. } | Event::PageFreedMapped { .. } | Event::StaleTranslation { .. } => {}
            Event::MapOverPresent { .. } | Event::Fault { .. } | Event::BadKvfree { .. } | Event::Overrun { .. } => {}
            Event::PageAlloc { .. } | Event::VmAreas { .. } | Event::PageTable { .. } | Event::Charge { .. } => {}
            Event::Map { .. } | Event::Unmap { .. } | Event::FlushTlb { .. } | Event::Zero { .. } => {}
            Event::ScheduleWork { .. } | Event::MemcgStat { .. } => {}
            events!(flow | locks | context | releases | reclaim | traces) => {}
        }
    }

    fn lock_report(&mut self, program: &Program, report: &Report, found: &mut Vec<Finding>) {
        if is_about_context(report) {
            found.push(finding(OracleKind::Context, program, report));
        }
    }
}
