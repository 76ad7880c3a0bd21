// SPDX-License-Identifier: GPL-2.0-only
//! Reports of the lock-order engine: whose they are, and how one becomes a finding.

use percuss_kernel::DRAIN;
use percuss_lockdep::{CallSite, Kind, Report};
use percuss_program::{Program, op_at};
use percuss_world::log::Log;

use crate::{Finding, OracleKind};

/// The report says that a task may not do this here, in whatever order it took its locks. Such a report is for
/// [`Context`](OracleKind::Context), any other one for [`LockOrder`](OracleKind::LockOrder).
pub(crate) fn is_about_context(report: &Report) -> bool {
    matches!(report.kind, Kind::SleepInAtomic | Kind::LocksHeld)
}

/// Where an event comes from, when that was recorded.
pub fn site(log: &Log, index: u32) -> Option<CallSite> {
    let site = log.site_of(index as usize)?;
    Some(CallSite { function: site.function.to_string(), file: site.file.to_string(), line: site.line })
}

/// A report of the engine as a finding of the oracle that it belongs to.
pub(crate) fn finding(oracle: OracleKind, program: &Program, report: &Report) -> Finding {
    let text = report.text(&|op| show(program, op));
    Finding::new(oracle, report.place.op, report.title.clone(), text).at(report.place.index as usize)
}

fn show(program: &Program, op: u32) -> String {
    match op_at(program, op) {
        Some(op) => op.to_string(),
        // The drain and boot run no op of the program.
        None if op == DRAIN => "drain".to_owned(),
        None => "no op".to_owned(),
    }
}
