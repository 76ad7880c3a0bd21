// SPDX-License-Identifier: GPL-2.0-only
//! Crash: the allocator stops the kernel, warns, or ends the process that runs it.

use std::time::Duration;

use percuss_kernel::event::{Event, Site, Stop};
use percuss_kernel::{Diag, events};
use percuss_program::{Op, Program, op_at};

use crate::arguments::illegal_arguments;
use crate::{Finding, Moment, Oracle, OracleKind};

/// Reports BUG, WARN, panic and endless loops. What ends the worker process leaves no log: see [`died`].
#[derive(Debug, Default)]
pub struct Crash;

impl Oracle for Crash {
    #[inline]
    fn event(&mut self, at: &Moment<'_>, event: &Event, found: &mut Vec<Finding>) {
        match event {
            Event::Stopped { reason } => {
                if let Some(title) = stopped(at, *reason) {
                    found.push(at.finding(OracleKind::Crash, event, title));
                }
            }
            Event::Diag { kind, .. } => {
                // The warning about illegal arguments is the documented answer to them. Any other one says that the
                // allocator found its own state wrong.
                if *kind == Diag::Warn && !is_illegal(at.program, at.op()) {
                    found.push(at.finding(OracleKind::Crash, event, format!("WARNING in {}", at.function())));
                }
            }
            Event::Boot { .. } | Event::Switch { .. } | Event::OpBegin { .. } | Event::OpEnd { .. } => {}
            Event::WorkBegin | Event::WorkEnd | Event::State { .. } => {}
            Event::TraceAlloc(_) | Event::TraceAllocFail { .. } | Event::TraceFree { .. } => {}
            Event::TraceCreate { .. } | Event::TraceDestroy { .. } => {}
            events!(locks | context | requests | releases | services | reclaim | defects) => {}
        }
    }
}

/// The title for a program that the World stopped; None when the stop is right, or another oracle's to report.
fn stopped(at: &Moment<'_>, reason: Stop) -> Option<String> {
    Some(match reason {
        Stop::Bug => format!("kernel BUG in {}", at.function()),
        // Boot without memory is documented to panic.
        Stop::Panic if !at.cursor.booted() && boot_memory_fails(at.program) => return None,
        Stop::Panic => format!("kernel panic in {}", at.function()),
        Stop::Loud => format!("percuss: path not modelled in {}", at.function()),
        Stop::StepLimit => format!("percuss: endless loop in {}", at.function()),
        // A defect of percuss itself: reported like any other, so that it is not lost.
        Stop::Internal => "percuss: internal error".to_owned(),
        // Tasks that wait for each other are for lockorder, and memory that never comes is for stall.
        Stop::Deadlock | Stop::Stall => return None,
    })
}

/// The program makes memblock fail at boot, for which the first-chunk code has no other way than to panic.
fn boot_memory_fails(program: &Program) -> bool {
    program.faults.iter().any(|f| f.site == Site::Memblock)
}

fn is_illegal(program: &Program, op: u32) -> bool {
    matches!(op_at(program, op), Some(Op::Alloc { size, align, .. }) if illegal_arguments(size, align.max(4)))
}

/// A worker used more CPU time than any program needs, and was ended. Unlike [`Stop::StepLimit`], which counts calls of
/// kernel services, this catches a loop that makes none.
pub fn endless(limit: Duration) -> Finding {
    let detail = format!("the program used more than {limit:?} of CPU time and was ended");
    Finding::new(OracleKind::Crash, 0, "percuss: the allocator does not return", detail)
}

/// A worker was ended by a signal, or in another way; `how` is the signal's name, `words` what is known of it.
pub fn died(how: &str, words: String) -> Finding {
    // The sandbox ends a worker so that makes a system call it has no business with. It means that an image is no
    // kernel code, or was led astray, so it gets a title of its own.
    if how == "SIGSYS" {
        let detail = "it is one that reaches files, processes or the network, and ended the worker";
        return Finding::new(OracleKind::Crash, 0, "percuss: the allocator made a system call", detail);
    }
    Finding::new(OracleKind::Crash, 0, format!("percuss: the allocator crashed with {how}"), words)
}
