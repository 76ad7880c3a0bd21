// SPDX-License-Identifier: GPL-2.0-only
//! Rules the allocator's state must satisfy whenever pcpu_lock is released, judged from the state alone.
//!
//! The rules are those measured on unmodified kernels: counters, lists and left edges are exact; a hint may be below the
//! truth (see [`super::hints`]) but never above it, and the region it names is free.

use std::fmt;

use percuss_kernel::event::Event;
use percuss_kernel::{Addr, Block, ChunkView, DRAIN, Diag, Globals, Lock, Touched, events};
use percuss_world::Host;
use percuss_world::arena::wide;

use crate::bits::{self, Free};
use crate::{Finding, Moment, Oracle, OracleKind, Scene};

/// Ops between two looks at all of the state, which take as long as some ten ops.
const DEEP: u64 = 64;

/// Ops between two looks at the sums over all chunks.
const SUMS: u64 = 8;

/// Warnings of failed allocations after which percpu.c says that it writes no more.
const WARNINGS: u32 = 10;

/// Judges chunks when pcpu_lock is released and the whole state now and then, and counts warnings. Of what is broken it
/// keeps the first of each kind of look: what follows has the same cause.
#[derive(Debug, Default)]
pub struct Invariants {
    /// Broken at a release of pcpu_lock, with the op.
    at_release: Option<(u32, Violation)>,
    /// Broken after an op.
    after_op: Option<(u32, Violation)>,
    /// Ops that ended, the drain apart.
    ops: u64,
    /// Events before the op.
    events: usize,
    /// Chunks that were sidelined before the op.
    sidelined: Vec<Addr>,
    /// Warnings of failed allocations so far.
    warnings: u32,
}

impl Oracle for Invariants {
    fn start(&mut self) {
        *self = Invariants::default();
    }

    #[inline]
    fn released(&mut self, host: &Host, globals: &Globals, c: &ChunkView<'_>) {
        if self.at_release.is_none()
            && let Err(v) = chunk(globals, c, false)
        {
            self.at_release = Some((host.world().current_op(), v));
        }
    }

    fn op_ended(&mut self, scene: &Scene<'_>, op: u32) {
        self.ops += (op != DRAIN) as u64;
        // While another task is changing the state there is nothing to judge.
        if self.after_op.is_none() && !scene.host.world().is_held(Lock::Pcpu) {
            self.after_op = self.judge(scene, op).err().map(|v| (op, v));
        }
    }

    #[inline]
    fn event(&mut self, at: &Moment<'_>, event: &Event, found: &mut Vec<Finding>) {
        match event {
            Event::Diag { kind, nargs, .. } => {
                // The message with three numbers, at the level of warnings, is that of a failed allocation.
                if *kind == Diag::Printk(4) && *nargs == 3 {
                    self.warnings += 1;
                    if self.warnings == WARNINGS + 1 {
                        let title = "percuss: more warnings of failed allocations than the limit";
                        found.push(at.finding(OracleKind::Invariants, event, title));
                    }
                }
            }
            Event::TraceAlloc(_) | Event::TraceAllocFail { .. } | Event::TraceFree { .. } => {}
            Event::TraceCreate { .. } | Event::TraceDestroy { .. } => {}
            events!(flow | locks | context | requests | releases | services | reclaim | defects) => {}
        }
    }

    fn run_ended(&mut self, _: &Scene<'_>, found: &mut Vec<Finding>) {
        for (op, v) in self.at_release.take().into_iter().chain(self.after_op.take()) {
            found.push(Finding::new(OracleKind::Invariants, op, format!("percuss: {}", v.rule), v.to_string()));
        }
    }
}

impl Invariants {
    /// Looks at what the worker left, and at the whole state when it is time for it.
    fn judge(&mut self, scene: &Scene<'_>, op: u32) -> Result<(), Violation> {
        if !scene.host.world().working() {
            let events = std::mem::replace(&mut self.events, scene.host.world().events().len());
            self.judge_worker(scene, events)?;
        }
        let all = self.ops.is_multiple_of(DEEP) || op == DRAIN;
        if !all && !self.ops.is_multiple_of(SUMS) {
            return Ok(());
        }
        let mut totals = Totals::default();
        let mut result = Ok(());
        let mut globals = None;
        scene.tenant.visit(Touched::All, &mut |g, c| {
            totals.add(c);
            globals = Some(*g);
            if all && result.is_ok() {
                result = chunk(g, c, true);
            }
        });
        match globals {
            Some(g) => result.and_then(|()| totals.judge(&g, scene.first_pages)),
            None => result,
        }
    }

    /// A chunk that the worker has just sidelined keeps an empty page only if it was populated again in the same run, or
    /// an area of it was freed since the run began: the worker drops pcpu_lock while it gives pages back.
    fn judge_worker(&mut self, scene: &Scene<'_>, from: usize) -> Result<(), Violation> {
        let world = scene.host.world();
        let events = &world.events()[from..];
        if !events.contains(&Event::WorkEnd) {
            return Ok(());
        }
        let began = events.iter().position(|e| *e == Event::WorkBegin).unwrap_or(0);
        let unit = world.layout().unit_size;
        let first = world.cpus().next().unwrap_or(0) as usize;
        let first = world.layout().unit_offsets[first];
        let (before, mut now) = (std::mem::take(&mut self.sidelined), Vec::new());
        let mut result = Ok(());
        scene.tenant.visit(Touched::All, &mut |g, c| {
            let (base, empty) = (c.head.base_addr, c.head.nr_empty_pop_pages);
            if c.head.slot != g.sidelined_slot {
                return;
            }
            now.push(base);
            let start = base.wrapping_add(first);
            let mapped = |e: &Event| matches!(e, Event::Map { addr, .. } if (start..start + unit).contains(addr));
            let freed = |e: &Event| matches!(e, Event::TraceFree { base_addr, .. } if *base_addr == base);
            let excused = events.iter().any(mapped) || events[began..].iter().any(freed);
            if empty > 0 && !before.contains(&base) && !excused {
                let rule = "the worker sidelines a chunk with empty populated pages";
                result = Err(Violation { rule, chunk: base, block: None, found: empty as i64, expected: 0 });
            }
        });
        self.sidelined = now;
        result
    }
}

/// Chunks with at most this many blocks are recounted in whole whenever they are touched.
const WHOLE: usize = 16;

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Short name, stable: becomes the finding's title.
    pub rule: &'static str,
    /// Base of the chunk, 0 for a global rule.
    pub chunk: Addr,
    /// Block, when the rule is about one.
    pub block: Option<u32>,
    /// What the state says.
    pub found: i64,
    /// What it must be (or must not exceed).
    pub expected: i64,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: found {}, expected {}", self.rule, self.found, self.expected)?;
        match (self.chunk, self.block) {
            (0, _) => Ok(()),
            (c, None) => write!(f, " (chunk {c:#x})"),
            (c, Some(b)) => write!(f, " (chunk {c:#x}, block {b})"),
        }
    }
}

/// Judges one chunk: the touched blocks, or all of them.
pub fn chunk(g: &Globals, c: &ChunkView<'_>, all: bool) -> Result<(), Violation> {
    wide(|| judge(g, c, all))
}

#[inline(always)]
fn judge(g: &Globals, c: &ChunkView<'_>, all: bool) -> Result<(), Violation> {
    let fail = |rule, block, found: i64, expected: i64| {
        Err(Violation { rule, chunk: c.head.base_addr, block, found, expected })
    };
    let nr = c.blocks.len() as u32;
    let whole = all || c.blocks.len() <= WHOLE;
    let (lo, hi) = if all { (0, nr.saturating_sub(1)) } else { c.head.touched };
    for i in lo..=hi.min(nr.saturating_sub(1)) {
        if lo > hi {
            break;
        }
        block(c, i)?;
    }
    let populated = bits::count(c.populated, c.head.nr_pages as u32);
    if populated as i32 != c.head.nr_populated {
        return fail(
            "nr_populated is not the number of populated pages",
            None,
            c.head.nr_populated as i64,
            populated as i64,
        );
    }
    if whole {
        let used = bits::count(c.alloc_map, nr * 1024);
        let free = (nr * 1024 - used) as i64 * 4;
        if free != c.head.free_bytes as i64 {
            return fail("free_bytes is not what the allocation map leaves free", None, c.head.free_bytes as i64, free);
        }
        let full = c.blocks.iter().filter(|b| b.contig_hint == b.nr_bits).count() as i64;
        // Pages in use but not populated yet are paid back when they are populated.
        let expected = populated as i64 - (c.head.nr_pages as i64 - full);
        if expected != c.head.nr_empty_pop_pages as i64 {
            return fail(
                "nr_empty_pop_pages is not the number of empty populated pages",
                None,
                c.head.nr_empty_pop_pages as i64,
                expected,
            );
        }
    }
    hint_regions(c)?;
    membership(g, c)
}

#[inline(always)]
fn block(c: &ChunkView<'_>, i: u32) -> Result<(), Violation> {
    let b = &c.blocks[i as usize];
    let start = i * 1024;
    let truth = bits::measure(c.alloc_map, start, start + 1024);
    let fail = |rule, found: i32, expected: u32| {
        Err(Violation { rule, chunk: c.head.base_addr, block: Some(i), found: found as i64, expected: expected as i64 })
    };
    if b.left_free != truth.left as i32 {
        return fail("left_free of a block is not its free left edge", b.left_free, truth.left);
    }
    if b.right_free > truth.right as i32 {
        return fail("right_free of a block exceeds its free right edge", b.right_free, truth.right);
    }
    if b.first_free > truth.first as i32 {
        return fail("first_free of a block is behind its first free bit", b.first_free, truth.first);
    }
    if b.contig_hint > truth.longest as i32 {
        return fail("contig_hint of a block exceeds its longest free run", b.contig_hint, truth.longest);
    }
    region(c, i, b, &truth)
}

#[inline(always)]
fn region(c: &ChunkView<'_>, i: u32, b: &Block, truth: &Free) -> Result<(), Violation> {
    for (rule, at, len) in [
        ("the contig hint of a block names a region that is not free", b.contig_hint_start, b.contig_hint),
        ("the scan hint of a block names a region that is not free", b.scan_hint_start, b.scan_hint),
    ] {
        let fine = len == 0
            || (len > 0
                && at >= 0
                && at + len <= 1024
                && bits::all_clear(c.alloc_map, i * 1024 + at as u32, i * 1024 + (at + len) as u32));
        if !fine {
            return Err(Violation {
                rule,
                chunk: c.head.base_addr,
                block: Some(i),
                found: len as i64,
                expected: truth.longest as i64,
            });
        }
    }
    Ok(())
}

/// Regions named by the hints of the whole chunk.
#[inline(always)]
fn hint_regions(c: &ChunkView<'_>) -> Result<(), Violation> {
    let map_bits = c.blocks.len() as i32 * 1024;
    for (rule, at, len) in [
        (
            "the contig hint of a chunk names a region that is not free",
            c.head.md.contig_hint_start,
            c.head.md.contig_hint,
        ),
        ("the scan hint of a chunk names a region that is not free", c.head.md.scan_hint_start, c.head.md.scan_hint),
    ] {
        let fine = len == 0
            || (len > 0
                && at >= 0
                && at + len <= map_bits
                && bits::all_clear(c.alloc_map, at as u32, (at + len) as u32));
        if !fine {
            return Err(Violation {
                rule,
                chunk: c.head.base_addr,
                block: None,
                found: len as i64,
                expected: at as i64,
            });
        }
    }
    Ok(())
}

/// A chunk is on the list its state calls for.
fn membership(g: &Globals, c: &ChunkView<'_>) -> Result<(), Violation> {
    let h = c.head;
    let aside = h.slot == g.sidelined_slot || h.slot == g.to_depopulate_slot;
    let fail = |rule, found: i32, expected: i32| {
        Err(Violation { rule, chunk: h.base_addr, block: None, found: found as i64, expected: expected as i64 })
    };
    if h.slot < 0 {
        return Ok(());
    }
    if h.isolated != aside {
        return fail(
            "a chunk is isolated exactly when it is sidelined or waits for the worker",
            h.slot,
            h.isolated as i32,
        );
    }
    Ok(())
}

/// Sums over all chunks that can be reached; `heads` are all of them, in list order.
#[derive(Debug, Default, Clone, Copy)]
pub struct Totals {
    listed: u32,
    empty: i64,
    populated: i64,
    areas: i64,
    immutable: i64,
}

impl Totals {
    /// Adds a chunk.
    pub fn add(&mut self, c: &ChunkView<'_>) {
        let h = c.head;
        if h.slot >= 0 {
            self.listed += 1;
            if !h.isolated {
                self.empty += h.nr_empty_pop_pages as i64;
            }
        }
        self.areas += h.nr_alloc as i64;
        self.immutable += h.immutable as i64;
        if !h.immutable {
            self.populated += h.nr_populated as i64;
        }
    }

    /// Judges the globals, when every chunk could be reached. `first_pages`: pages of the first chunk's unit.
    pub fn judge(&self, g: &Globals, first_pages: u64) -> Result<(), Violation> {
        if self.listed != g.nr_chunks {
            return Ok(()); // some chunk is being made or torn down
        }
        let fail = |rule, found: i64, expected: i64| Err(Violation { rule, chunk: 0, block: None, found, expected });
        if self.empty != g.nr_empty_pop_pages as i64 {
            return fail(
                "pcpu_nr_empty_pop_pages is not the sum over the chunks it counts",
                g.nr_empty_pop_pages as i64,
                self.empty,
            );
        }
        if self.populated + first_pages as i64 != g.nr_populated as i64 {
            return fail(
                "pcpu_nr_populated is not the sum over the chunks",
                g.nr_populated as i64,
                self.populated + first_pages as i64,
            );
        }
        if self.areas != g.nr_cur_alloc as i64 {
            return fail("nr_cur_alloc is not the number of areas in the chunks", g.nr_cur_alloc as i64, self.areas);
        }
        Ok(())
    }
}
