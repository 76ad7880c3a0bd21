// SPDX-License-Identifier: GPL-2.0-only
//! What became of allocations, and why those that failed did.
//!
//! Failures that the program injects and failures for want of memory are kept apart, since only the latter say anything
//! about how a tree does under pressure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use percuss_kernel::event::{Event, LockMove};
use percuss_kernel::{Cursor, events};
use percuss_program::{Op, Program, op_at};
use percuss_world::log::Log;

/// Why an allocation returned NULL.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Failure {
    /// The fault plan, or a program's page budget, made a backing allocation fail.
    Injected,
    /// A backing allocation found no memory.
    Pressure,
    /// The caller could sleep, but was treated as if it could not: nothing was tried.
    Early,
    /// The caller could not sleep, and no populated area was free.
    NoRoom,
    /// A fatal signal ended the wait for pcpu_alloc_mutex.
    Killed,
    /// The arguments are documented as refused, or the reserved area is full.
    Refused,
}

impl Failure {
    /// Words for reports: an allocation fails …
    pub fn why(self) -> &'static str {
        match self {
            Failure::Injected => "by the fault plan",
            Failure::Pressure => "for want of memory",
            Failure::Early => "early, although their callers could sleep",
            Failure::NoRoom => "in atomic context, without populated room",
            Failure::Killed => "by a fatal signal",
            Failure::Refused => "as refused",
        }
    }
}

/// Results of all allocations of a program, those of shrinkers and handlers included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Results {
    pub ok: u64,
    /// How many returned NULL, by reason.
    pub failed: BTreeMap<Failure, u64>,
    /// Numbers of the ops that returned NULL, in the order of their ends.
    pub null: Vec<u32>,
    /// Numbers of the ops that began and never returned: the program ended in them.
    pub never: Vec<u32>,
}

/// What the events of an op say of why it fails, if it does.
#[derive(Debug, Default, Clone, Copy)]
pub struct Clues {
    injected: bool,
    pressure: bool,
    killed: bool,
    atomic: bool,
    failed: bool,
}

impl Clues {
    /// To be called for every event of the op that is no other context's.
    pub fn note(&mut self, event: &Event) {
        match *event {
            // Only the World's page allocator reports this; a fault of the plan fails without it.
            Event::NoMemory { .. } => self.pressure = true,
            Event::Kzalloc { addr, .. } | Event::Vmalloc { addr, .. } => self.injected |= addr == 0,
            Event::VmAreas { base, .. } => self.injected |= base == 0,
            Event::PageAlloc { pfn, .. } => self.injected |= pfn.is_none(),
            Event::PageTable { ok, .. } | Event::Charge { ok, .. } => self.injected |= !ok,
            Event::TraceAllocFail { is_atomic, .. } => (self.failed, self.atomic) = (true, is_atomic),
            Event::TraceAlloc(_) | Event::TraceFree { .. } | Event::Diag { .. } => {}
            Event::TraceCreate { .. } | Event::TraceDestroy { .. } => {}
            Event::ReclaimBegin { .. } | Event::ReclaimEnd { .. } | Event::WakeKswapd => {}
            Event::ShrinkBegin { .. } | Event::ShrinkEnd { .. } => {}
            Event::Retry { .. } | Event::OomKill { .. } => {}
            events!(locks) => self.killed |= matches!(event.lock(), Some((LockMove::GivesUp, _))),
            events!(flow | context | releases | services | defects) => {}
        }
    }

    /// Why the op returned NULL, if it did. `could_sleep` is by the caller's mask, not by what the allocator makes of
    /// it: that is the difference to be seen.
    pub fn why(self, could_sleep: bool) -> Failure {
        // The first cause wins: short memory before the plan, and both before what the allocator says at the end.
        match self {
            Clues { pressure: true, .. } => Failure::Pressure,
            Clues { injected: true, .. } => Failure::Injected,
            Clues { killed: true, .. } => Failure::Killed,
            Clues { failed: true, atomic: true, .. } if could_sleep => Failure::Early,
            Clues { failed: true, atomic: true, .. } => Failure::NoRoom,
            _ => Failure::Refused,
        }
    }
}

impl Results {
    pub fn of(program: &Program, log: &Log) -> Results {
        let mut out = Results::default();
        let mut cursor = Cursor::new();
        let mut open: BTreeMap<u32, Clues> = BTreeMap::new();
        for event in log.events() {
            cursor.advance(event);
            match *event {
                Event::OpBegin { op } => drop(open.entry(op).or_default()),
                Event::OpEnd { op, result } => {
                    let clues = open.remove(&op).unwrap_or_default();
                    out.ended(program, op, result, clues);
                }
                Event::Boot { .. } | Event::Switch { .. } | Event::WorkBegin | Event::WorkEnd => {}
                Event::State { .. } | Event::Stopped { .. } => {}
                events!(locks | context | requests | releases | services | reclaim | traces | defects) => {
                    // What fails for the work item makes no op's allocation fail.
                    if let Some(op) = cursor.running().filter(|_| !cursor.in_worker()) {
                        open.entry(op).or_default().note(event);
                    }
                }
            }
        }
        // What is still open began and never ended.
        out.never = open.into_keys().filter(|op| allocates(program, *op)).collect();
        out
    }

    fn ended(&mut self, program: &Program, op: u32, result: u64, clues: Clues) {
        if !allocates(program, op) {
            return;
        }
        if result != 0 {
            self.ok += 1;
            return;
        }
        let why = clues.why(could_sleep(program, op));
        *self.failed.entry(why).or_default() += 1;
        self.null.push(op);
    }

    pub fn count(&self, why: Failure) -> u64 {
        self.failed.get(&why).copied().unwrap_or(0)
    }
}

/// The mask of the op's caller allows it to sleep.
pub fn could_sleep(program: &Program, op: u32) -> bool {
    matches!(op_at(program, op), Some(Op::Alloc { gfp, .. }) if gfp.allows_blocking())
}

/// The op is an allocation, so that a result of 0 is a failure.
pub fn allocates(program: &Program, op: u32) -> bool {
    matches!(op_at(program, op), Some(Op::Alloc { .. } | Op::SchedProbe { .. }))
}
