// SPDX-License-Identifier: GPL-2.0-only
//! Rules the allocator's state must satisfy whenever pcpu_lock is released, judged from the state alone.
//!
//! The rules are those measured on unmodified kernels: counters, lists and left edges are exact; a hint may be below
//! the truth (see [`super::hints`]) but never above it, and the region it names is free.

use std::fmt;

use percuss_kernel::event::Event;
use percuss_kernel::{Addr, Block, ChunkView, DRAIN, Diag, Globals, Lock, Touched, UnlockedChange, events};
use percuss_world::Host;
use percuss_world::arena::wide;

use crate::bits::{self, Free};
use crate::{Finding, Moment, Oracle, OracleKind, Scene};

/// Ops between two looks at all of the state.
///
/// Recounting everything after each op was measured in C at -O2 with four CPUs: an op takes 1 080 ns instead of 175
/// with one chunk, and 17 791 ns instead of 485 with five. So an op has only what it touched recounted, and all of it
/// is recounted now and then and at the drain.
const DEEP: u64 = 64;

/// Ops between two looks at the sums over all chunks. They read the head of every chunk but no map,
/// and so come more often than the look of [`DEEP`].
const SUMS: u64 = 8;

/// Warnings of failed allocations after which percpu.c says that it writes no more. One more means that the limit
/// does not hold.
const WARNINGS: u32 = 10;

/// Judges chunks when pcpu_lock is released and the whole state now and then, and counts warnings. Of what is broken it
/// keeps the first of each kind of look: what follows has the same cause.
#[derive(Debug, Default)]
pub struct Invariants {
    /// Broken at a release of pcpu_lock, with the op.
    at_release: Option<(u32, Violation)>,
    /// Index of the release's event, which comes after the look.
    release: usize,
    after_op: Option<(u32, Violation)>,
    /// What changed while pcpu_lock was free.
    unlocked: Option<Finding>,
    ops: u64,
    events: usize,
    /// Bases of the chunks that were sidelined after the last run of the worker: a later run answers for the others
    /// alone.
    sidelined: Vec<Addr>,
    warnings: u32,
}

impl Oracle for Invariants {
    fn start(&mut self) {
        *self = Invariants::default();
    }

    #[inline]
    fn released(&mut self, host: &Host, globals: &Globals, c: &ChunkView<'_>) {
        // After the first broken rule the state is broken for good, and each look would only find it again.
        if self.at_release.is_none()
            && let Err(v) = chunk(globals, c, false)
        {
            self.at_release = Some((host.world().current_op(), v));
            self.release = host.world().events().len();
        }
    }

    fn changed_unlocked(&mut self, host: &Host, c: &UnlockedChange) {
        if self.unlocked.is_some() {
            return;
        }
        let of = if c.chunk == 0 { "" } else { " of a chunk" };
        let title = format!("percuss: {}{of} changes while pcpu_lock is free, before {}", c.field, c.function);
        let mut detail = format!("{} before, {} after", c.before, c.after);
        if c.chunk != 0 {
            detail += &format!(" (chunk {:#x})", c.chunk);
        }
        detail += &format!("\nreleased in {}\ntaken next in {}", c.between[0], c.between[1]);
        let world = host.world();
        let found = Finding::new(OracleKind::Invariants, world.current_op(), title, detail);
        self.unlocked = Some(found.at(world.events().len()));
    }

    fn op_ended(&mut self, scene: &Scene<'_>, op: u32) {
        self.ops += (op != DRAIN) as u64;
        // While another task is changing the state there is nothing to judge: counters and maps are updated one after
        // the other, and agree only when the lock is free.
        if self.after_op.is_none() && !scene.host.world().is_held(Lock::Pcpu) {
            self.after_op = self.judge(scene, op).err().map(|v| (op, v));
        }
    }

    #[inline]
    fn event(&mut self, at: &Moment<'_>, event: &Event, found: &mut Vec<Finding>) {
        match event {
            Event::Diag { kind, nargs, .. } => {
                // The message with three numbers, at the level of warnings, is that of a failed allocation. The
                // event itself has no text to compare.
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
        let finding = |(op, v): (u32, Violation)| {
            Finding::new(OracleKind::Invariants, op, format!("percuss: {}", v.rule), v.to_string())
        };
        found.extend(self.unlocked.take());
        found.extend(self.at_release.take().map(finding).map(|f| f.at(self.release)));
        found.extend(self.after_op.take().map(finding));
    }
}

impl Invariants {
    /// Looks at what the worker left, and at the whole state when it is time for it: at every [`DEEP`]th op and at the
    /// drain, after which there is no other look.
    fn judge(&mut self, scene: &Scene<'_>, op: u32) -> Result<(), Violation> {
        if !scene.host.world().working() {
            // A run of the worker may be longer than an op. Events are kept until it has ended, for what excuses a
            // chunk may lie at its beginning.
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
            // One visit serves both looks.
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

    /// A chunk that the worker has just sidelined keeps an empty page only if it was populated again in the same run,
    /// or an area of it was freed since the run began: the worker drops pcpu_lock while it gives pages back.
    fn judge_worker(&mut self, scene: &Scene<'_>, from: usize) -> Result<(), Violation> {
        let world = scene.host.world();
        let events = &world.events()[from..];
        if !events.contains(&Event::WorkEnd) {
            return Ok(());
        }
        let began = events.iter().position(|e| *e == Event::WorkBegin).unwrap_or(0);
        let unit = world.layout().unit_size;
        // Every CPU's unit is populated together, so the first possible CPU's mapping stands for all of them.
        let first = world.cpus().next().unwrap_or(0) as usize;
        let first = world.layout().unit_offsets[first];
        let (before, mut now) = (std::mem::take(&mut self.sidelined), Vec::new());
        let mut result = Ok(());
        scene.tenant.visit(Touched::All, &mut |g, c| {
            let (base, empty) = (c.head.base_addr, c.head.nr_empty_pop_pages);
            if c.head.slot != g.sidelined_slot {
                return;
            }
            // Noted in any case: a chunk that stays sidelined is not judged again by the next run.
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

/// Chunks with at most this many blocks are recounted in whole whenever they are touched. A block has 1024 bits, 16
/// words of the map, so 16 blocks are 2 KiB; in larger chunks the recount waits for the look at everything.
const WHOLE: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule as a sentence that says what is wrong. It becomes the finding's title, by which findings are merged, so
    /// it has no numbers in it.
    pub rule: &'static str,
    /// Base of the chunk, 0 for a global rule.
    pub chunk: Addr,
    pub block: Option<u32>,
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
///
/// # Errors
/// The first rule that is broken. Blocks come before counters and counters before hints of the whole chunk, so a wrong
/// block is not hidden by the sums that follow from it.
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
        // Only the header was touched.
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
        // From the map alone, four bytes a bit: the block hints may be wrong without the map being so.
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
    // The left edge is exact on unmodified kernels. The right edge, the first free bit and the contig hint may be too
    // low there, so they are wrong only above the truth.
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
        // Without a length the start means nothing. Negative numbers are broken: the map could not be
        // looked at there.
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

/// Regions named by the hints of the whole chunk. They are relative to the chunk and may cross blocks, so each is
/// looked for in the whole map.
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

/// A chunk is on the list its state calls for: an isolated one is sidelined or waits to be depopulated, so that no
/// allocation finds it, and any other is not.
fn membership(g: &Globals, c: &ChunkView<'_>) -> Result<(), Violation> {
    let h = c.head;
    let aside = h.slot == g.sidelined_slot || h.slot == g.to_depopulate_slot;
    let fail = |rule, found: i32, expected: i32| {
        Err(Violation { rule, chunk: h.base_addr, block: None, found: found as i64, expected: expected as i64 })
    };
    // The reserved chunk is on no list, and a chunk that is being emptied is on a list of that function alone.
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

/// Sums over all chunks that can be reached, to be compared with the allocator's global counters.
#[derive(Debug, Default, Clone, Copy)]
pub struct Totals {
    listed: u32,
    empty: i64,
    populated: i64,
    areas: i64,
    immutable: i64,
}

impl Totals {
    pub fn add(&mut self, c: &ChunkView<'_>) {
        let h = c.head;
        if h.slot >= 0 {
            self.listed += 1;
            // pcpu_nr_empty_pop_pages leaves isolated chunks out: no allocation may count on their pages.
            if !h.isolated {
                self.empty += h.nr_empty_pop_pages as i64;
            }
        }
        self.areas += h.nr_alloc as i64;
        self.immutable += h.immutable as i64;
        // The first chunk's pages are there from boot on; `judge` adds them once, however many chunks share its unit.
        if !h.immutable {
            self.populated += h.nr_populated as i64;
        }
    }

    /// Judges the globals, when every chunk could be reached. `first_pages`: pages of the first chunk's unit.
    ///
    /// # Errors
    /// The first counter that is not its sum.
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
