// SPDX-License-Identifier: GPL-2.0-only
//! Lock order: the rules of the kernel's lockdep, and tasks that did wait for each other.
//!
//! An order is wrong whether or not two tasks meet in it, so one task in one run is enough for a report.

use percuss_kernel::event::{Event, Stop};
use percuss_kernel::events;
use percuss_lockdep::Report;
use percuss_program::Program;

use crate::lockreport::{finding, is_about_context};
use crate::{Finding, Moment, Oracle, OracleKind};

/// Passes on the reports of the lock-order engine, in the kernel's shape; call sites are in them when the log has any.
/// The engine sees orders that could make tasks wait for each other; that they do wait is an event.
#[derive(Debug, Default)]
pub struct LockOrder;

impl Oracle for LockOrder {
    #[inline]
    fn event(&mut self, at: &Moment<'_>, event: &Event, found: &mut Vec<Finding>) {
        match event {
            Event::Stopped { reason } => {
                if *reason == Stop::Deadlock {
                    found.push(at.finding(
                        OracleKind::LockOrder,
                        event,
                        format!("percuss: deadlock in {}", at.function()),
                    ));
                }
            }
            Event::Boot { .. } | Event::Switch { .. } | Event::OpBegin { .. } | Event::OpEnd { .. } => {}
            Event::WorkBegin | Event::WorkEnd | Event::State { .. } => {}
            events!(locks | context | requests | releases | services | reclaim | traces | defects) => {}
        }
    }

    fn lock_report(&mut self, program: &Program, report: &Report, found: &mut Vec<Finding>) {
        // The others are those of `Context`, which asks the same question: each report has one oracle.
        if !is_about_context(report) {
            found.push(finding(OracleKind::LockOrder, program, report));
        }
    }
}
