// SPDX-License-Identifier: GPL-2.0-only
//! The allocator's memory before and after a program: the kernel's own text of it, and what an atomic caller would be
//! granted.
//!
//! Whether a size would be granted is asked of the image itself: the program runs again with one more allocation at its
//! end. A prediction from the maps would repeat the search of percpu.c here, hints and their bugs included.

use std::io;

use serde::{Deserialize, Serialize};

use super::examine::Examiner;
use percuss_kernel::event::Event;
use percuss_kernel::geometry::PAGE;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{ChunkView, Quirk, Tenant, Touched, Var, limits, op_number};
use percuss_oracle::{OracleKind, bits};
use percuss_program::{Op, Program};
use percuss_run::{Ended, Shared, Watch};
use percuss_tenant::KernelC;
use percuss_world::sample::Contents;

/// PCPU_MIN_UNIT_SIZE: no allocation above it is granted.
const LARGEST: u32 = 32 << 10;
/// PCPU_MIN_ALLOC_SIZE: what a bit of the allocation map stands for.
const UNIT: u32 = 4;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// debugfs `percpu_stats` after boot; None when the tree has none.
    pub before: Option<String>,
    /// The same after the last op, before the drain; None also when the program did not get there.
    pub after: Option<String>,
    /// What is free after the last op.
    pub room: Option<Free>,
    /// What an atomic caller would get then, by size.
    pub sizes: Vec<Fit>,
}

/// Free bytes of one unit, outside of the reserved chunk and of chunks that serve nothing because they are being
/// emptied. Everything is counted from the maps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Free {
    /// In populated pages.
    pub populated: u64,
    /// The longest run of them.
    pub populated_run: u64,
    pub all: u64,
    pub run: u64,
}

/// What an allocation of a size, aligned to 4, returns to an atomic caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fit {
    pub size: u32,
    pub granted: bool,
    /// Quirks that the oracles of hints and of room name, when a free and populated run is long enough all the same.
    pub hidden_by: Vec<Quirk>,
}

/// Looks at the image after boot and after the last op.
#[derive(Default)]
struct Looks {
    stats: Stats,
}

impl Watch<KernelC> for Looks {
    fn op_done(&mut self, _: &Shared<KernelC>, _: u32) {}

    fn booted(&mut self, shared: &Shared<KernelC>) {
        self.stats.before = shared.tenant.stats();
    }

    fn ops_done(&mut self, shared: &Shared<KernelC>) {
        self.stats.after = shared.tenant.stats();
        let mut free = Free::default();
        shared.tenant.visit(Touched::All, &mut |_, c| free.add(c));
        self.stats.room = Some(free);
    }
}

impl Free {
    fn add(&mut self, c: &ChunkView<'_>) {
        // No ordinary caller is served from there.
        if c.head.is_reserved || c.head.isolated {
            return;
        }
        let (mut run, mut populated_run) = (0, 0);
        for page in 0..c.head.nr_pages as u32 {
            let backed = c.populated[page as usize / 64] >> (page % 64) & 1 == 1;
            for bit in page * PAGE / UNIT..(page + 1) * PAGE / UNIT {
                let free = bits::all_clear(c.alloc_map, bit, bit + 1);
                run = if free { run + u64::from(UNIT) } else { 0 };
                populated_run = if free && backed { populated_run + u64::from(UNIT) } else { 0 };
                self.all += if free { u64::from(UNIT) } else { 0 };
                self.populated += if free && backed { u64::from(UNIT) } else { 0 };
                self.run = self.run.max(run);
                self.populated_run = self.populated_run.max(populated_run);
            }
        }
    }
}

impl Examiner {
    /// Runs a program and looks at the image after boot and after the last op, then once more for each size.
    ///
    /// # Errors
    /// See [`Examiner::examine`].
    pub fn stats(&mut self, program: &Program) -> io::Result<Stats> {
        let mut looks = Looks::default();
        self.image_ref().shared().contents.set(Contents::Ignored);
        let ended = self.image().run(program, &mut looks)?;
        let mut stats = looks.stats;
        // A program that stops has no state after its last op.
        if let (Ended::Whole, Some(free)) = (ended, stats.room) {
            let sizes = std::iter::successors(Some(UNIT), |size| Some(size * 2).filter(|size| *size <= LARGEST));
            for size in sizes {
                stats.sizes.extend(self.fits(program, size, free)?);
            }
        }
        Ok(stats)
    }

    /// None when the allocation did not come last.
    fn fits(&mut self, program: &Program, size: u32, free: Free) -> io::Result<Option<Fit>> {
        let (asking, op) = asking(program, size);
        let judged = self.examine(&asking)?;
        let granted = last_result(self.image_ref().shared().host.world().events(), op).map(|result| result != 0);
        let Some(granted) = granted else { return Ok(None) };
        let mut hidden_by = Vec::new();
        if !granted && u64::from(size) <= free.populated_run {
            let hints = |o: OracleKind| matches!(o, OracleKind::Room | OracleKind::Hints);
            hidden_by.extend(judged.findings.iter().filter(|f| hints(f.oracle)).filter_map(|f| f.quirk));
            hidden_by.sort();
            hidden_by.dedup();
        }
        Ok(Some(Fit { size, granted, hidden_by }))
    }
}

/// The program with one more allocation after all others, and the number of its op.
fn asking(program: &Program, size: u32) -> (Program, u32) {
    let mut asking = program.clone();
    // A task of its own holds no lock and is in no scope; tasks that the schedule does not name run last.
    if asking.tasks.len() < limits::TASKS {
        asking.tasks.push(Vec::new());
    }
    let task = asking.tasks.len() - 1;
    // Which variable it is does not matter: no op follows that uses one.
    let ask = Op::Alloc { dst: Var(0), size, align: UNIT, reserved: false, gfp: Gfp::NOWAIT };
    asking.tasks[task].push(ask);
    let op = op_number(task, asking.tasks[task].len() - 1);
    (asking, op)
}

/// What the op returned, if no other op ended after it began.
fn last_result(events: &[Event], op: u32) -> Option<u64> {
    let begins = events.iter().rposition(|e| *e == Event::OpBegin { op })?;
    // The drain's frees are no ops of their own, so no end of one follows that is not a task's.
    let mut ends = events[begins..].iter().filter_map(|e| {
        let Event::OpEnd { op, result } = *e else { return None };
        Some((op, result))
    });
    let (first, result) = ends.next()?;
    (first == op && ends.next().is_none()).then_some(result)
}
