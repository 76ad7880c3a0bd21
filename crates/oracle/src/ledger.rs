// SPDX-License-Identifier: GPL-2.0-only
//! The ledger: after a program is drained, what the allocator still holds is what its chunks account for.
//!
//! The World keeps its own books of what it gave out, and the tenant's state says which chunks are left. A chunk may
//! stay: the worker keeps one that is empty, so the books are not expected to be at zero but to agree.
//!
//! Of memory for metadata the World also knows the last byte, and a red zone after it shows when it was written beyond.

use percuss_kernel::event::Event;
use percuss_kernel::{Addr, Cursor, DRAIN, State, Touched, events};
use percuss_world::World;
use percuss_world::arena::addresses;

use crate::{Finding, Moment, Oracle, OracleKind, Scene};

/// Metadata objects of every chunk: its structure, two maps (of allocations and of their boundaries) and the blocks. A
/// tree that accounts to cgroups has one more, which [`Scene::objcg_objects`] says.
const METADATA: u32 = 4;

/// Reports what is not given back, or given back twice. The second is an event, seen when it happens; the first can
/// only be judged at the end, when nothing is in use.
#[derive(Debug, Default)]
pub struct Ledger {
    state: State,
}

impl Oracle for Ledger {
    #[inline]
    fn event(&mut self, at: &Moment<'_>, event: &Event, found: &mut Vec<Finding>) {
        let what = match event {
            Event::BadPageFree { .. } => "free of a page that is not allocated",
            Event::BadKvfree { .. } => "kvfree of memory not allocated",
            Event::Overrun { addr, size, at: beyond } => return found.push(overrun(at, *addr, *size, *beyond)),
            Event::StaleTranslation { .. } | Event::PageFreedMapped { .. } | Event::MapOverPresent { .. } => return,
            Event::Fault { .. } | Event::SleepInAtomic { .. } | Event::LockMisuse { .. } => return,
            Event::LockFreed { .. } | Event::ContextLeak { .. } => return,
            events!(flow | locks | context | requests | releases | services | reclaim | traces) => return,
        };
        found.push(at.finding(OracleKind::Ledger, event, format!("percuss: {what} in {}", at.function())));
    }

    fn drained(&mut self, scene: &Scene<'_>, found: &mut Vec<Finding>) {
        scene.tenant.state(Touched::All, &mut self.state);
        let world = scene.host.world();
        // With kmem accounting off at boot, no chunk gets the object.
        let objcg = if world.geometry().kmem { scene.objcg_objects } else { 0 };
        let per = PerChunk { metadata: METADATA + objcg, ranges: world.layout().group_offsets.len() as u32 };
        judge(&world, &self.state, per, |f| found.push(f));
    }
}

/// A write beyond an allocation of `size` bytes at `addr`. It was seen long after it happened, so the title says what
/// is known for sure: which function got the memory.
fn overrun(at: &Moment<'_>, addr: Addr, size: u64, beyond: u64) -> Finding {
    let mut cursor = Cursor::new();
    let mut got = None;
    for event in &at.log.events()[..at.index] {
        cursor.advance(event);
        match event {
            Event::Kzalloc { addr: a, .. } | Event::Vmalloc { addr: a, .. } if *a == addr => {
                // Addresses are used again, so it is the last one that counts.
                let here = Moment { cursor: &cursor, ..*at };
                let call = if matches!(event, Event::Kzalloc { .. }) { "kzalloc" } else { "__vmalloc" };
                got = Some((call, here.op(), here.function()));
            }
            events!(flow | locks | context | requests | releases | services | reclaim | traces | defects) => {}
        }
    }
    // Neither the boot nor the reservation of vm areas has an event with the address.
    let boot = (addresses::LINEAR..addresses::LINEAR_END).contains(&addr);
    let other = if boot { ("memblock_alloc", "the boot") } else { ("pcpu_get_vm_areas", "pcpu_create_chunk") };
    let (call, op, by) = got.unwrap_or((other.0, at.op(), other.1));
    let title = format!("percuss: a write beyond the end of memory that {by} allocated");
    let detail = format!("byte {} of {size} bytes from {call}() at {addr:#x} is overwritten", size + beyond);
    Finding::new(OracleKind::Ledger, op, title, detail).at(at.index)
}

/// Objects a chunk is made of, by the World's books.
#[derive(Debug, Clone, Copy)]
struct PerChunk {
    /// Metadata objects: structure, two maps, blocks, and the object extension when there is one.
    metadata: u32,
    ranges: u32,
}

fn judge(w: &World, s: &State, per: PerChunk, mut see: impl FnMut(Finding)) {
    let mut leak = |title: &str, found: i64, expected: i64| {
        see(Finding::new(OracleKind::Ledger, DRAIN, title, format!("found {found}, accounted for {expected}")));
    };
    // What boot made comes from memblock and is in no book.
    let made: Vec<_> = s.chunks().iter().filter(|c| !c.immutable).collect();
    let n = made.len() as u32;
    // A chunk counts the pages of one unit, the World those of every possible CPU's.
    let pages: i64 = made.iter().map(|c| c.nr_populated as i64).sum::<i64>() * w.geometry().nr_cpus() as i64;
    if pages != w.pages_used() as i64 {
        leak("percuss: leak of backing pages", w.pages_used() as i64, pages);
    }
    // One more object may live: the temporary pages array, which is made once and kept. The handle of the vm areas
    // counts as metadata too.
    let objects = n * (per.metadata + 1);
    if !(objects..=objects + 1).contains(&w.metadata_live()) {
        leak("percuss: leak of metadata", w.metadata_live() as i64, objects as i64);
    }
    // One range for each group, however many CPUs the group has.
    if w.ranges_live() as u32 != n * per.ranges {
        leak("percuss: leak of vm areas", w.ranges_live() as i64, (n * per.ranges) as i64);
    }
    let m = w.memcg();
    // Group 0 is the root, which is not charged.
    for id in 1..m.charged.len() {
        if m.charged[id] != 0 {
            leak("percuss: leak of memcg charges", m.charged[id], 0);
        }
        if m.stat[id] != 0 {
            leak("percuss: memcg statistics do not return to zero", m.stat[id], 0);
        }
        if m.refs[id] != 0 {
            leak("percuss: leak of obj_cgroup references", m.refs[id], 0);
        }
    }
    for c in s.chunks() {
        // The offsets are what a first chunk leaves to its neighbours in the page.
        let whole = c.nr_pages as i64 * 4096 - c.start_offset as i64 - c.end_offset as i64;
        if c.free_bytes as i64 != whole {
            leak("percuss: a chunk is not whole after everything was freed", c.free_bytes as i64, whole);
        }
    }
}
