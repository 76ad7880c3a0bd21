// SPDX-License-Identifier: GPL-2.0-only
//! Masks: what backs an area is not taken from the reserves on behalf of a caller that has no claim to them.
//!
//! Reserves are for those that cannot wait. The balance worker can, and populates ahead of need; if it takes from them,
//! those that it works for find nothing.

use percuss_kernel::event::Event;
use percuss_kernel::events;
use percuss_kernel::gfp::Gfp;
use percuss_program::{Op, op_at};

use crate::{Finding, Moment, Oracle, OracleKind};

/// Looks at the mask of every request for backing memory.
#[derive(Debug, Default)]
pub struct Masks;

impl Oracle for Masks {
    #[inline]
    fn event(&mut self, at: &Moment<'_>, event: &Event, found: &mut Vec<Finding>) {
        let gfp = match event {
            Event::Kzalloc { gfp, .. } | Event::Vmalloc { gfp, .. } | Event::PageAlloc { gfp, .. } => *gfp,
            Event::VmAreas { gfp, .. } | Event::PageTable { gfp, .. } => *gfp,
            // A charge is no memory.
            Event::Charge { .. } => return,
            events!(flow | locks | context | releases | services | reclaim | traces | defects) => return,
        };
        // Before the end of boot no task could want the reserves.
        if !gfp.contains(Gfp::HIGH) || !at.cursor.booted() {
            return;
        }
        let asked = match op_at(at.program, at.op()) {
            Some(Op::Alloc { gfp, .. }) if !at.cursor.in_worker() => gfp,
            _ => Gfp(0),
        };
        if !asked.contains(Gfp::HIGH) {
            let title =
                format!("percuss: backing memory is taken from the reserves with __GFP_HIGH in {}", at.function());
            found.push(at.finding(OracleKind::Masks, event, title));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bench, Oracles};
    use percuss_kernel::op_number;
    use percuss_program::Program;
    use percuss_world::log::Log;

    fn found(caller: &str, events: &[Event]) -> usize {
        let program: Program = format!("task a\n x = alloc 64 gfp {caller}\n").parse().expect("a program");
        let mut log = Log::new();
        log.push(Event::Boot { digest: 0, error: 0 });
        log.push(Event::OpBegin { op: op_number(0, 0) });
        events.iter().for_each(|e| log.push(*e));
        let mut bench = Bench::of_image(Oracles::default());
        bench.start();
        bench.read(&program, &log).iter().filter(|f| f.oracle == OracleKind::Masks).count()
    }

    #[test]
    fn reserves_are_for_those_who_ask_for_them() {
        let page = |gfp| Event::PageAlloc { node: 0, gfp, pfn: Some(1) };
        assert_eq!(found("GFP_KERNEL", &[page(Gfp::KERNEL)]), 0);
        assert_eq!(found("GFP_KERNEL", &[page(Gfp::ATOMIC)]), 1);
        assert_eq!(found("GFP_ATOMIC", &[page(Gfp::ATOMIC)]), 0);
        // The worker works for no single task, whichever of them queued its work.
        assert_eq!(found("GFP_ATOMIC", &[Event::WorkBegin, page(Gfp::ATOMIC)]), 1);
    }
}
