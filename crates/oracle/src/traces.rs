// SPDX-License-Identifier: GPL-2.0-only
//! Traces: a tracepoint says what happened.
//!
//! Tools attribute per-CPU memory by these events, so a field that is wrong is a wrong answer, though nothing breaks.

use percuss_kernel::event::Event;
use percuss_kernel::{Addr, events};
use percuss_program::{Op, op_at};

use crate::{Finding, Moment, Oracle, OracleKind};

/// The allocator's granule: sizes are rounded up to it.
const GRANULE: u64 = 4;

/// Compares each event of an area with the request, with its result, and with the event of its release.
#[derive(Debug, Default)]
pub struct Traces {
    /// Areas that are allocated, as their events gave them: pointer, base and offset.
    areas: Vec<(Addr, Addr, i32)>,
    /// What a pointer differs by from the address of the area in its chunk: the same for all areas.
    shift: Option<u64>,
    /// The pointer of the last event, until the op that it belongs to has ended.
    granted: Option<(u32, Addr, usize)>,
}

impl Oracle for Traces {
    fn start(&mut self) {
        self.areas.clear();
        self.shift = None;
        self.granted = None;
    }

    #[inline]
    fn event(&mut self, at: &Moment<'_>, event: &Event, found: &mut Vec<Finding>) {
        match event {
            Event::TraceAlloc(t) => {
                self.granted = Some((at.op(), t.ptr, at.index));
                let shift = t.ptr.wrapping_sub(t.base_addr.wrapping_add(t.off as u64));
                if *self.shift.get_or_insert(shift) != shift {
                    found.push(wrong(at, event, "an allocation", "where the area is"));
                }
                if !is_asked_for(at, t.reserved, t.size.into(), 1 << t.align_shift) {
                    found.push(wrong(at, event, "an allocation", "what was asked for"));
                }
                self.areas.push((t.ptr, t.base_addr, t.off));
            }
            Event::TraceAllocFail { reserved, size, align, .. } => {
                if !is_asked_for(at, *reserved, *size, *align) {
                    found.push(wrong(at, event, "a failed allocation", "what was asked for"));
                }
            }
            Event::TraceFree { base_addr, off, ptr } => {
                // What is not known was allocated before the program, or is freed twice, which is the caller's fault.
                if let Some(place) = self.areas.iter().rposition(|a| a.0 == *ptr) {
                    let (_, base, offset) = self.areas.swap_remove(place);
                    if (base, offset) != (*base_addr, *off) {
                        found.push(wrong(at, event, "a free", "where the area was"));
                    }
                }
            }
            Event::OpEnd { op, result } => {
                if let Some((_, ptr, index)) = self.granted.take_if(|(of, ..)| of == op)
                    && ptr != *result
                {
                    let title = "percuss: the trace event of an allocation is wrong: it is not the pointer returned";
                    let detail = format!("event {ptr:#x}, returned {result:#x}");
                    found.push(Finding::new(OracleKind::Traces, *op, title, detail).at(index));
                }
            }
            Event::Boot { .. } | Event::Switch { .. } | Event::OpBegin { .. } | Event::WorkBegin => {}
            Event::WorkEnd | Event::State { .. } | Event::Stopped { .. } => {}
            Event::TraceCreate { .. } | Event::TraceDestroy { .. } | Event::Diag { .. } => {}
            events!(locks | context | requests | releases | services | reclaim | defects) => {}
        }
    }
}

fn wrong(at: &Moment<'_>, event: &Event, of: &str, what: &str) -> Finding {
    let title = format!("percuss: the trace event of {of} is wrong: it does not say {what}");
    at.finding(OracleKind::Traces, event, title)
}

/// The fields are those of the op that runs; size and alignment may be rounded up to the granule.
fn is_asked_for(at: &Moment<'_>, reserved: bool, size: u64, align: u64) -> bool {
    let Some(Op::Alloc { size: asked, align: aligned, reserved: from_reserved, .. }) = op_at(at.program, at.op())
    else {
        // Probes of the scheduler allocate, too, with arguments of their own.
        return true;
    };
    let sizes = [u64::from(asked), u64::from(asked).next_multiple_of(GRANULE)];
    let aligns = [u64::from(aligned), u64::from(aligned).max(GRANULE)];
    reserved == from_reserved && sizes.contains(&size) && aligns.contains(&align)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bench, Oracles};
    use percuss_kernel::gfp::Gfp;
    use percuss_kernel::{TraceAlloc, op_number};
    use percuss_program::Program;
    use percuss_world::log::Log;

    const BASE: Addr = 0x1_0000;
    const PTR: Addr = 0x500;

    fn granted(size: u32, off: i32) -> Event {
        Event::TraceAlloc(TraceAlloc {
            reserved: false,
            is_atomic: false,
            align_shift: 3,
            size,
            off,
            bytes_alloc: 0,
            base_addr: BASE,
            ptr: PTR,
            gfp: Gfp::KERNEL,
        })
    }

    /// Titles for an allocation of 62 bytes that returns the pointer, then its free with this offset.
    fn titles(allocated: Event, off: i32) -> Vec<String> {
        let program: Program = "task a\n x = alloc 62\n free x\n".parse().expect("a program");
        let [first, second] = [0, 1].map(|n| op_number(0, n));
        let mut log = Log::new();
        log.push(Event::OpBegin { op: first });
        log.push(allocated);
        log.push(Event::OpEnd { op: first, result: PTR });
        log.push(Event::OpBegin { op: second });
        log.push(Event::TraceFree { base_addr: BASE, off, ptr: PTR });
        log.push(Event::OpEnd { op: second, result: 0 });
        let mut bench = Bench::of_image(Oracles::default());
        bench.start();
        let found = bench.read(&program, &log);
        found.into_iter().filter(|f| f.oracle == OracleKind::Traces).map(|f| f.title).collect()
    }

    #[test]
    fn events_agree_with_the_request_and_with_each_other() {
        assert_eq!(titles(granted(64, 16), 16), [""; 0], "rounded up to the granule");
        assert_eq!(titles(granted(62, 16), 16), [""; 0]);
        assert_eq!(titles(granted(128, 16), 16).len(), 1, "not the size that was asked for");
        assert_eq!(titles(granted(64, 16), 4).len(), 1, "not the place of the area");
    }
}
