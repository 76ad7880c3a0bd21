// SPDX-License-Identifier: GPL-2.0-only
//! The lock-order engine as an oracle.

use crate::{Finding, OracleKind};
use percuss_kernel::DRAIN;
use percuss_lockdep::{CallSite, Kind, Lockdep, Report};
use percuss_program::{Program, op_at};
use percuss_world::log::Log;

/// What the engine objects to in a program's log. Reports are in the kernel's shape; call sites are in them when the log
/// has any.
pub fn judge(lockdep: &mut Lockdep, program: &Program, log: &Log) -> Vec<Finding> {
    lockdep.reset();
    lockdep.run(log.events());
    if lockdep.reports().is_empty() {
        return Vec::new();
    }
    lockdep.finish(&|index| site(log, index));
    lockdep.reports().iter().map(|r| finding(program, r)).collect()
}

/// Where an event comes from, when that was recorded.
pub fn site(log: &Log, index: u32) -> Option<CallSite> {
    let site = log.site_of(index as usize)?;
    Some(CallSite { function: site.function.to_string(), file: site.file.to_string(), line: site.line })
}

fn finding(program: &Program, report: &Report) -> Finding {
    let oracle = match report.kind {
        Kind::SleepInAtomic | Kind::LocksHeld => OracleKind::Context,
        _ => OracleKind::LockOrder,
    };
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
