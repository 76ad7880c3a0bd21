// SPDX-License-Identifier: GPL-2.0-only
//! Room: no request fails, and none makes a chunk, while a chunk has a free and populated area for it.
//!
//! Hints steer the search of pcpu_alloc(), so a hint that is too low can hide an area. The maps show whether it did.

use percuss_kernel::event::Event;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{ChunkView, DRAIN, Lock, Touched, events};
use percuss_program::{Op, Program, op_at};

use crate::hints::NOTED;
use crate::{Finding, Moment, Oracle, OracleKind, Scene, bits};

/// A request that failed or made a chunk although there was room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenRoom {
    pub op: u32,
    /// True when a chunk was made, false when the request failed.
    pub created: bool,
    /// Base of the chunk with room.
    pub chunk: u64,
    pub block: u32,
}

impl SeenRoom {
    pub fn finding(&self) -> Finding {
        let title = if self.created {
            "percuss: chunk created although there is room"
        } else {
            "percuss: allocation fails although there is room"
        };
        let detail = format!("block {} of the chunk at {:#x} has room", self.block, self.chunk);
        Finding::new(OracleKind::Room, self.op, title, detail)
    }
}

/// Looks for room after every op whose request failed or made a chunk, and reports a caller that must get memory and
/// gives up. As with [`Hints`](crate::hints::Hints), occurrences of the first kind are noted, not reported.
#[derive(Debug, Default)]
pub struct Room {
    pub seen: Vec<SeenRoom>,
    events: usize,
}

impl Oracle for Room {
    fn start(&mut self) {
        self.seen.clear();
        self.events = 0;
    }

    fn op_ended(&mut self, scene: &Scene<'_>, op: u32) {
        // Another task may be changing the state. The events so far are kept for the next look: their op is looked for
        // by its number.
        if scene.host.world().is_held(Lock::Pcpu) {
            return;
        }
        // The drain only frees, and asks for nothing.
        if op != DRAIN {
            self.look(scene, op);
        }
        self.events = scene.host.world().events().len();
    }

    #[inline]
    fn event(&mut self, at: &Moment<'_>, event: &Event, found: &mut Vec<Finding>) {
        match event {
            Event::MutexLock { lock, taken, .. } => {
                if *lock == Lock::AllocMutex && !taken && must_not_fail(at.program, at.op()) {
                    let title = "percuss: a __GFP_NOFAIL allocation gives up its wait";
                    found.push(at.finding(OracleKind::Room, event, title));
                }
            }
            Event::MutexUnlock { .. } | Event::SpinLock { .. } | Event::SpinUnlock { .. } | Event::Wait { .. } => {}
            Event::WaitExt { .. } | Event::LockExt { .. } | Event::UnlockExt { .. } => {}
            events!(flow | context | requests | releases | services | reclaim | traces | defects) => {}
        }
    }
}

#[derive(Default)]
struct Outcome {
    failed: bool,
    created: Option<u64>,
    /// Something was made to fail, or others ran in between and may have made the room that there is now.
    excused: bool,
}

impl Outcome {
    fn of(events: &[Event]) -> Outcome {
        let mut outcome = Outcome::default();
        for e in events {
            outcome.excused |= match e {
                Event::TraceAllocFail { .. } => {
                    outcome.failed = true;
                    false
                }
                Event::TraceCreate { base_addr } => {
                    outcome.created = Some(*base_addr);
                    false
                }
                Event::Kzalloc { addr, .. } | Event::Vmalloc { addr, .. } => *addr == 0,
                Event::VmAreas { base, .. } => *base == 0,
                Event::PageAlloc { pfn, .. } => pfn.is_none(),
                Event::Map { ok, .. } => !ok,
                Event::Switch { .. } | Event::ReclaimBegin { .. } | Event::Wait { .. } | Event::Interrupt { .. } => {
                    true
                }
                // What follows happens in any op, and neither makes a request fail nor makes room.
                // Without a page-table page the mapping fails; without a charge no area is looked for.
                Event::PageTable { .. } | Event::Charge { .. } => false,
                Event::Boot { .. } | Event::OpBegin { .. } | Event::OpEnd { .. } | Event::State { .. } => false,
                Event::WorkBegin | Event::WorkEnd | Event::Stopped { .. } => false,
                Event::MutexLock { .. } | Event::MutexUnlock { .. } | Event::SpinLock { .. } => false,
                Event::SpinUnlock { .. } | Event::WaitExt { .. } | Event::LockExt { .. } | Event::UnlockExt { .. } => {
                    false
                }
                Event::CondResched | Event::ScopeSave { .. } | Event::ScopeRestore { .. } => false,
                Event::Irqs { .. } | Event::Preempt { .. } => false,
                Event::Unmap { .. } | Event::FlushCache { .. } | Event::FlushTlb { .. } | Event::Zero { .. } => false,
                Event::ScheduleWork { .. } | Event::MemcgStat { .. } => false,
                Event::ReclaimEnd { .. } | Event::ShrinkBegin { .. } | Event::ShrinkEnd { .. } => false,
                Event::WakeKswapd | Event::Retry { .. } | Event::OomKill { .. } | Event::NoMemory { .. } => false,
                Event::TraceAlloc(_) | Event::TraceFree { .. } | Event::TraceDestroy { .. } | Event::Diag { .. } => {
                    false
                }
                events!(releases | defects) => false,
            };
        }
        outcome
    }
}

impl Room {
    /// Looks for room when the op's request failed, or made a chunk, without anything having been made to fail.
    fn look(&mut self, scene: &Scene<'_>, op: u32) {
        let outcome = {
            let world = scene.host.world();
            let since = &world.events()[self.events..];
            // An interrupt between two ops is no business of the one after it.
            let begin = since.iter().rposition(|e| *e == Event::OpBegin { op }).unwrap_or(0);
            Outcome::of(&since[begin..])
        };
        let Outcome { failed, created, excused } = outcome;
        let Some(Op::Alloc { size, align, reserved, gfp, .. }) = op_at(scene.program, op) else { return };
        if excused || !(failed || created.is_some()) || self.seen.len() >= NOTED {
            return;
        }
        // Without a reserved chunk, a request for it is served like any other.
        let reserved = reserved && scene.host.world().geometry().reserved > 0;
        // A caller that may sleep can have pages populated, so for it an area without pages is room as well.
        let atomic = failed && !gfp.allows_blocking();
        let wanted = Wanted { bits: size.div_ceil(4), align: (align / 4).max(1), atomic, reserved };
        let mut found = None;
        scene.tenant.visit(Touched::All, &mut |g, c| {
            // The new chunk has room for certain; the question is whether an older one had it.
            if found.is_none() && Some(c.head.base_addr) != created {
                found = fits(c, g.free_slot, g.sidelined_slot, wanted).map(|block| (c.head.base_addr, block));
            }
        });
        if let Some((chunk, block)) = found {
            self.seen.push(SeenRoom { op, created: created.is_some(), chunk, block });
        }
    }
}

pub(crate) fn must_not_fail(program: &Program, op: u32) -> bool {
    matches!(op_at(program, op), Some(Op::Alloc { gfp, .. }) if gfp.contains(Gfp::NOFAIL))
}

#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub bits: u32,
    /// Alignment in units, at least 1.
    pub align: u32,
    /// Only populated pages count, for the caller cannot wait until others are.
    pub atomic: bool,
    pub reserved: bool,
}

/// The block of a chunk in which the request fits wherever the run starts, by the map alone.
///
/// None when there is no such block, or when the allocator does not search this chunk for such a request. An area
/// across two blocks does not count: percpu.c documents its hints as accurate only inside one.
pub fn fits(c: &ChunkView<'_>, free_slot: i32, sidelined_slot: i32, r: Wanted) -> Option<u32> {
    let h = c.head;
    let searched = if r.reserved { h.is_reserved } else { (0..=free_slot).contains(&h.slot) };
    // The allocator puts chunks that failed a small request on list 0 on purpose; they are not searched.
    let parked = h.slot == 0 && h.md.contig_hint != 0 && h.slot != sidelined_slot;
    if !searched || (parked && !r.reserved) {
        return None;
    }
    // A run this long has an aligned start in it, wherever it begins.
    let need = r.bits + r.align - 1;
    (0..c.blocks.len() as u32).find(|i| {
        // A block of the map stands for one page.
        let populated = c.populated[(i / 64) as usize] >> (i % 64) & 1 == 1;
        (populated || !r.atomic) && bits::free_runs(c.alloc_map, i * 1024, (i + 1) * 1024).longest >= need
    })
}
