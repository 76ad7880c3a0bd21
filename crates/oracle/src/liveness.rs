// SPDX-License-Identifier: GPL-2.0-only
//! Liveness: a request that fails has a reason, and one that could not wait leaves work behind that helps the next.
//!
//! Neither needs the allocator's state: what a request asked of the kernel, and whether balance work was queued, is in the
//! events.

use percuss_kernel::event::Event;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Lock, events};
use percuss_program::{Op, op_at};

use crate::{Finding, Moment, Oracle, OracleKind};

/// Follows every request from its first event to its last.
#[derive(Debug, Default)]
pub struct Liveness {
    /// Requests that run. There is one as a rule, and more with several tasks, handlers or shrinkers.
    running: Vec<Request>,
    /// The balance work is queued and has not begun.
    queued: bool,
}

/// A request for memory while it runs.
#[derive(Debug, Clone, Copy)]
struct Request {
    op: u32,
    /// Something that it asked the kernel for was not granted, or its wait was ended.
    refused: bool,
    /// The event that says that it fails, and whether the allocator took it for one that cannot wait.
    failed: Option<(usize, bool)>,
    /// It queued balance work, or found it queued.
    left_work: bool,
}

impl Oracle for Liveness {
    fn start(&mut self) {
        self.running.clear();
        self.queued = false;
    }

    #[inline]
    fn event(&mut self, at: &Moment<'_>, event: &Event, found: &mut Vec<Finding>) {
        match event {
            Event::OpBegin { op } => {
                if matches!(op_at(at.program, *op), Some(Op::Alloc { .. })) {
                    let request = Request { op: *op, refused: false, failed: None, left_work: false };
                    self.running.push(request);
                }
            }
            Event::OpEnd { op, .. } => self.ended(at, *op, found),
            Event::WorkBegin => self.queued = false,
            Event::ScheduleWork { .. } => {
                self.queued = true;
                self.note(at, |r| r.left_work = true);
            }
            Event::Kzalloc { addr: 0, .. } | Event::Vmalloc { addr: 0, .. } | Event::VmAreas { base: 0, .. } => {
                self.note(at, |r| r.refused = true);
            }
            Event::PageAlloc { pfn: None, .. } | Event::PageTable { ok: false, .. } | Event::Map { ok: false, .. } => {
                self.note(at, |r| r.refused = true);
            }
            Event::Charge { ok: false, .. } => self.note(at, |r| r.refused = true),
            Event::MutexLock { lock: Lock::AllocMutex, taken: false, .. } => self.note(at, |r| r.refused = true),
            Event::TraceAllocFail { is_atomic, .. } => {
                let (index, atomic) = (at.index, *is_atomic);
                self.note(at, |r| r.failed = Some((index, atomic)));
            }
            Event::Boot { .. } | Event::Switch { .. } | Event::WorkEnd => {}
            Event::State { .. } | Event::Stopped { .. } => {}
            Event::TraceAlloc(_) | Event::TraceFree { .. } | Event::TraceCreate { .. } => {}
            Event::TraceDestroy { .. } | Event::Diag { .. } => {}
            Event::Unmap { .. } | Event::FlushCache { .. } | Event::FlushTlb { .. } | Event::Zero { .. } => {}
            Event::MemcgStat { .. } => {}
            events!(locks | context | requests | releases | reclaim | defects) => {}
            Event::Map { .. } => {}
        }
    }
}

impl Liveness {
    /// Notes something of the request that runs, unless the worker runs on top of it.
    fn note(&mut self, at: &Moment<'_>, what: impl FnOnce(&mut Request)) {
        if at.cursor.in_worker() {
            return;
        }
        let op = at.op();
        if let Some(request) = self.running.iter_mut().rev().find(|r| r.op == op) {
            what(request);
        }
    }

    fn ended(&mut self, at: &Moment<'_>, op: u32, found: &mut Vec<Finding>) {
        let Some(place) = self.running.iter().rposition(|r| r.op == op) else { return };
        let request = self.running.swap_remove(place);
        let Some((failed, atomic)) = request.failed else { return };
        let Some(Op::Alloc { reserved, gfp, .. }) = op_at(at.program, op) else { return };
        if atomic && !request.left_work && !self.queued {
            // The worker would populate pages for the next such request. Without it all of them fail.
            let title = "percuss: a request that cannot wait fails and leaves no balance work queued";
            found.push(finding(at, op, failed, title));
        }
        // The reserved chunk is never enlarged, so a request for it may fail at any time.
        if gfp.allows_blocking() && !reserved && !request.refused {
            let title = "percuss: a request that may wait fails although nothing was refused to it";
            found.push(finding(at, op, failed, title));
        }
    }
}

fn finding(at: &Moment<'_>, op: u32, failed: usize, title: &str) -> Finding {
    let mask = match op_at(at.program, op) {
        Some(Op::Alloc { gfp, .. }) => gfp,
        _ => Gfp(0),
    };
    Finding::new(OracleKind::Liveness, op, title, format!("a request with {mask}")).at(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bench, Oracles};
    use percuss_kernel::op_number;
    use percuss_program::Program;
    use percuss_world::log::Log;

    /// Titles for one request with this mask, whose op has these events between its first and its last.
    fn titles(gfp: &str, events: &[Event]) -> Vec<String> {
        let program: Program = format!("task a\n x = alloc 64 gfp {gfp}\n").parse().expect("a program");
        let op = op_number(0, 0);
        let mut log = Log::new();
        log.push(Event::OpBegin { op });
        events.iter().for_each(|e| log.push(*e));
        log.push(Event::OpEnd { op, result: 0 });
        let mut bench = Bench::of_image(Oracles::default());
        bench.start();
        let found = bench.read(&program, &log);
        found.into_iter().filter(|f| f.oracle == OracleKind::Liveness).map(|f| f.title).collect()
    }

    fn fails(is_atomic: bool) -> Event {
        Event::TraceAllocFail { reserved: false, is_atomic, size: 64, align: 4 }
    }

    #[test]
    fn a_request_that_may_wait_needs_a_reason_to_fail() {
        assert_eq!(titles("GFP_NOFS", &[fails(false)]).len(), 1);
        // It counts as one that cannot wait, which its mask does not say, and leaves no work either.
        assert_eq!(titles("GFP_NOFS", &[fails(true)]).len(), 2);
        let refused = Event::Kzalloc { size: 8, gfp: Gfp::KERNEL, addr: 0 };
        assert_eq!(titles("GFP_NOFS", &[refused, fails(false)]), [""; 0]);
        let in_the_worker = [Event::WorkBegin, refused, Event::WorkEnd, fails(false)];
        assert_eq!(titles("GFP_NOFS", &in_the_worker).len(), 1, "what the worker is refused is no reason");
    }

    #[test]
    fn a_request_that_cannot_wait_leaves_work() {
        assert_eq!(titles("GFP_ATOMIC", &[fails(true)]).len(), 1);
        assert_eq!(titles("GFP_ATOMIC", &[fails(true), Event::ScheduleWork { queued: true }]), [""; 0]);
        // Queued before, and done before it fails: nothing is left of it.
        let done = [Event::ScheduleWork { queued: true }, Event::WorkBegin, Event::WorkEnd];
        assert_eq!(titles("GFP_ATOMIC", &[&done[..], &[fails(true)]].concat()), [""; 0]);
    }
}
