// SPDX-License-Identifier: GPL-2.0-only
//! What is looked at while a program runs.

use std::collections::BTreeSet;

use percuss_kernel::event::Event;
use percuss_kernel::{DRAIN, Lock, Tenant, Touched, events};
use percuss_oracle::hints::{self, Below, Hint, Request};
use percuss_program::{Op, Program, op_at};
use percuss_run::{Shared, Watch};

/// Occurrences noted per program; a program that fragments on purpose makes thousands.
const NOTED: usize = 256;

/// A hint below the truth, with the op after which it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenBelow {
    /// Number of the op.
    pub op: u32,
    /// What was seen.
    pub below: Below,
}

/// A request that failed or made a chunk although there was room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenRoom {
    /// Number of the op.
    pub op: u32,
    /// A chunk was made (else the request failed).
    pub created: bool,
    /// Base of the chunk with room.
    pub chunk: u64,
    /// Its block with room.
    pub block: u32,
}

/// Watches the hints of a tenant after every op.
#[derive(Debug, Default)]
pub struct HintWatch {
    /// Hints below the truth, first occurrences in order.
    pub below: Vec<SeenBelow>,
    /// Needless failures and chunks, in order.
    pub room: Vec<SeenRoom>,
    /// Hints below the truth right now, so that each is noted when it comes about.
    standing: BTreeSet<(u64, Option<u32>, Hint)>,
    events: usize,
    program: Program,
}

/// What the events of an op say of its request.
#[derive(Default)]
struct Asked {
    failed: bool,
    /// Base of the chunk that was made last.
    created: Option<u64>,
    /// Something was made to fail, or others ran in between and may have made the room that there is now.
    excused: bool,
}

impl Asked {
    fn read(events: &[Event]) -> Asked {
        let mut asked = Asked::default();
        events.iter().for_each(|e| asked.note(e));
        asked
    }

    fn note(&mut self, event: &Event) {
        match *event {
            Event::TraceAllocFail { .. } => self.failed = true,
            Event::TraceCreate { base_addr } => self.created = Some(base_addr),
            Event::Kzalloc { addr, .. } | Event::Vmalloc { addr, .. } => self.excused |= addr == 0,
            Event::VmAreas { base, .. } => self.excused |= base == 0,
            Event::PageAlloc { pfn, .. } => self.excused |= pfn.is_none(),
            Event::Map { ok, .. } => self.excused |= !ok,
            Event::Switch { .. } | Event::ReclaimBegin { .. } => self.excused = true,
            Event::Wait { .. } | Event::Interrupt { .. } => self.excused = true,

            Event::PageTable { .. } | Event::Charge { .. } => {}
            Event::Unmap { .. } | Event::FlushCache { .. } | Event::FlushTlb { .. } => {}
            Event::Zero { .. } | Event::ScheduleWork { .. } | Event::MemcgStat { .. } => {}
            Event::TraceAlloc(_) | Event::TraceFree { .. } | Event::TraceDestroy { .. } | Event::Diag { .. } => {}
            Event::Boot { .. } | Event::OpBegin { .. } | Event::OpEnd { .. } | Event::WorkBegin => {}
            Event::WorkEnd | Event::State { .. } | Event::Stopped { .. } => {}
            Event::MutexLock { .. } | Event::MutexUnlock { .. } | Event::SpinLock { .. } => {}
            Event::SpinUnlock { .. } | Event::WaitExt { .. } => {}
            Event::LockExt { .. } | Event::UnlockExt { .. } => {}
            Event::CondResched | Event::ScopeSave { .. } | Event::ScopeRestore { .. } => {}
            Event::Irqs { .. } | Event::Preempt { .. } => {}
            Event::ReclaimEnd { .. } | Event::ShrinkBegin { .. } | Event::ShrinkEnd { .. } => {}
            Event::WakeKswapd | Event::Retry { .. } | Event::OomKill { .. } | Event::NoMemory { .. } => {}
            events!(releases | defects) => {}
        }
    }
}

impl HintWatch {
    /// Prepares for a program.
    pub fn start(&mut self, program: &Program) {
        self.below.clear();
        self.room.clear();
        self.standing.clear();
        self.events = 0;
        self.program.tasks.clone_from(&program.tasks);
    }

    fn note_hints<T: Tenant>(&mut self, shared: &Shared<T>, op: u32) {
        let (below, standing) = (&mut self.below, &mut self.standing);
        shared.tenant.visit(Touched::Recent, &mut |_, c| {
            let base = c.head.base_addr;
            let (lo, hi) = c.head.touched;
            standing.retain(|(chunk, block, _)| *chunk != base || block.is_some_and(|b| b < lo || b > hi));
            hints::below(c, false, |b| {
                if standing.insert((b.chunk, b.block, b.which)) && below.len() < NOTED {
                    below.push(SeenBelow { op, below: b });
                }
            });
        });
    }

    /// Looks for room when the op's request failed, or made a chunk, without anything having been made to fail.
    fn note_room<T: Tenant>(&mut self, shared: &Shared<T>, op: u32) {
        let world = shared.host.world();
        let since = &world.events()[self.events..];
        // An interrupt between two ops is no business of the one behind it.
        let begin = since.iter().rposition(|e| *e == Event::OpBegin { op }).unwrap_or(0);
        let Asked { failed, created, excused } = Asked::read(&since[begin..]);
        drop(world);
        let Some(Op::Alloc { size, align, reserved, gfp, .. }) = op_at(&self.program, op) else { return };
        if excused || !(failed || created.is_some()) || self.room.len() >= NOTED {
            return;
        }
        let reserved = reserved && shared.host.world().geometry().reserved > 0;
        let atomic = failed && !gfp.allows_blocking();
        let r = Request { bits: size.div_ceil(4), align: (align / 4).max(1), atomic, reserved };
        let mut found = None;
        shared.tenant.visit(Touched::All, &mut |g, c| {
            if found.is_none() && Some(c.head.base_addr) != created {
                found = hints::room(c, g.free_slot, g.sidelined_slot, r).map(|block| (c.head.base_addr, block));
            }
        });
        if let Some((chunk, block)) = found {
            self.room.push(SeenRoom { op, created: created.is_some(), chunk, block });
        }
    }
}

impl<T: Tenant> Watch<T> for HintWatch {
    fn op_done(&mut self, shared: &Shared<T>, op: u32) {
        // Another task may be changing the state.
        if shared.host.world().is_held(Lock::Pcpu) {
            return;
        }
        self.note_hints(shared, op);
        if op != DRAIN {
            self.note_room(shared, op);
        }
        self.events = shared.host.world().events().len();
    }
}
