// SPDX-License-Identifier: GPL-2.0-only
//! Lock order: the rules of the kernel's lockdep, and tasks that did wait for each other.

use percuss_kernel::event::{Event, Stop};
use percuss_kernel::{DRAIN, events};
use percuss_lockdep::{CallSite, Report};
use percuss_program::{Program, op_at};
use percuss_world::log::Log;

use crate::context::is_about_context;
use crate::{Finding, Moment, Oracle, OracleKind};

/// Passes on the reports of the lock-order engine, in the kernel's shape; call sites are in them when the log has any. The
/// engine sees orders that could make tasks wait for each other; that they do wait is an event.
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
        if !is_about_context(report) {
            found.push(finding(OracleKind::LockOrder, program, report));
        }
    }
}

/// Where an event comes from, when that was recorded.
pub fn site(log: &Log, index: u32) -> Option<CallSite> {
    let site = log.site_of(index as usize)?;
    Some(CallSite { function: site.function.to_string(), file: site.file.to_string(), line: site.line })
}

/// A report of the engine as a finding of the oracle that it belongs to.
pub(crate) fn finding(oracle: OracleKind, program: &Program, report: &Report) -> Finding {
    let text = report.text(&|op| show(program, op));
    Finding::new(oracle, report.place.op, report.title.clone(), text)
}

/// An op in words.
fn show(program: &Program, op: u32) -> String {
    match op_at(program, op) {
        Some(op) => op.to_string(),
        None if op == DRAIN => "drain".to_owned(),
        None => "no op".to_owned(),
    }
}
