// SPDX-License-Identifier: GPL-2.0-only
//! Generated programs: realistic mixes of sizes and masks, in phases that bring the allocator into the states that
//! matter, on machines that take every value of every axis in turn.
//!
//! Independent random ops leave the allocator in one average state. Phases (fill, fragment, drain and so on) drive it
//! to full chunks, holes, empty pages and sidelined chunks, which the interesting code needs.

mod writer;

use self::writer::Writer;
use super::axes::{ATOMS, CPUS, DYNS, PAGES, RESERVED, STATICS, UNITS};
use super::handler::interrupts;
use super::interleave::interleave;
use super::lock::LOCKS;
use super::op::Op;
use super::rng::Rng;
use super::{Program, Shrinker};
use percuss_kernel::event::{Ext, Site};
use percuss_kernel::geometry::{First, Geometry};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Fault, Memory, Var, limits};

/// Makes program `i` of a seed, for any `i` in any order, so that workers can share a campaign without coordination.
#[derive(Clone, Copy, Debug)]
pub struct Generator {
    seed: u64,
    /// Least number of tasks of a program.
    tasks: usize,
}

/// Numbers of tasks that programs have, all entries equally likely.
///
/// Most programs have one task: they need no schedule and their findings are the easiest to read. In ascending order,
/// as `program` bisects it.
const TASKS: [usize; 10] = [1, 1, 1, 1, 1, 1, 2, 2, 3, 4];

/// Sets the stream of random numbers for preemptions apart from that for ops, so that a program has the same ops with
/// and without.
///
/// The letters are ASCII for "preempt".
const PREEMPTIONS: u64 = 0x7072_6565_6d70_7400;

/// Sets the stream for interrupts apart, likewise.
///
/// ASCII for "irqs".
const INTERRUPTS: u64 = 0x6972_7173_0000_0000;

/// Sites of generated faults with their shares.
///
/// Memblock is rare: the kernel panics at boot, as it should, and the rest of the program does not run.
const FAULT_SITES: [(Site, u32); 7] = [
    (Site::Pages, 40),
    (Site::Kmalloc, 18),
    (Site::Vmalloc, 6),
    (Site::VmAreas, 10),
    (Site::PageTables, 15),
    (Site::Charge, 10),
    (Site::Memblock, 1),
];

impl Generator {
    /// The programs of a seed.
    pub fn new(seed: u64) -> Generator {
        Generator { seed, tasks: 0 }
    }

    /// The programs of a seed with at least `tasks` tasks each, at most [`limits::TASKS`]; 0 leaves the number to the
    /// seed.
    ///
    /// Another least number gives other programs, not the same ones with tasks added.
    pub fn with_tasks(self, tasks: usize) -> Generator {
        Generator { tasks: tasks.min(limits::TASKS), ..self }
    }

    /// Program `index`.
    ///
    /// It depends on nothing but the seed, the index and the least number of tasks.
    pub fn program(&mut self, index: u64) -> Program {
        let mut rng = Rng::new(self.seed, index);
        let boot = self.geometry(index);
        // Page by page mapped units of 300 KiB and more are those that can start a page table in their middle.
        let over_2m = boot.first == First::Page && boot.least_unit() >= 300 << 10;
        let faults = faults(&mut rng, over_2m);
        // Three decades of lengths, with a mean above 100.
        let nr_ops = rng.log_range(8, 400) as usize;
        // If no usual number is large enough, the program gets exactly the number asked for.
        let enough = &TASKS[TASKS.partition_point(|n| *n < self.tasks)..];
        let nr_tasks = if enough.is_empty() { self.tasks } else { rng.pick(enough) };
        let mut writer = Writer::new(&mut rng, boot, nr_tasks, nr_ops);
        while writer.left > 0 {
            writer.phase();
        }
        // The writer records the order in which it wrote the ops: the schedule in which its idea of live variables is
        // right.
        let (tasks, schedule) = (writer.tasks, writer.schedule);
        // Drawn after the ops, so that ops do not change when the odds of pressure do.
        let (memory, shrinkers) = pressure(&mut rng, &boot);
        let mut program = Program { boot, memory, tasks, shrinkers, faults, schedule, ..Program::default() };
        match rng.below(10) {
            _ if nr_tasks == 1 => program.schedule.clear(),
            // One task needs no schedule. Of the others, one in ten runs task after task and one in ten in random
            // turns.
            0 => program.schedule.clear(), // one task after the other
            1 => program.schedule.iter_mut().for_each(|t| t.lane = rng.below(nr_tasks as u32) as u8),
            _ => {}
        }
        program.repair(); // ends sections that are still open
        interleave(&mut Rng::new(self.seed ^ PREEMPTIONS, index), &mut program);
        interrupts(&mut Rng::new(self.seed ^ INTERRUPTS, index), &mut program);
        program
    }

    /// Value `index` of a table that programs take in turn: in each run of as many programs as there are values, every
    /// value occurs once, in a shuffled order.
    ///
    /// Plain cycling would lock axes of equal length together; with an order of its own, each axis meets all values of
    /// the others.
    fn stratum<T: Copy>(&self, axis: u64, index: u64, values: &[T]) -> T {
        let n = values.len() as u64;
        // A stream for each axis and each run of values: the axis in the upper bits keeps it apart from those of
        // programs.
        let mut rng = Rng::new(self.seed ^ (axis + 1) << 48, index / n);
        let mut order: Vec<usize> = (0..values.len()).collect();
        // Fisher-Yates.
        for i in (1..order.len()).rev() {
            order.swap(i, rng.below(i as u32 + 1) as usize);
        }
        values[order[(index % n) as usize]]
    }

    /// The geometry of program `index`, without making its ops.
    pub fn geometry(&self, index: u64) -> Geometry {
        let first = self.stratum(0, index, &[First::Embed, First::Page, First::Info]);
        // The number in each call is the axis; it must not change, or all programs of a seed do.
        let cpus: u64 = self.stratum(1, index, &CPUS);
        let (groups, interleaved) = self.stratum(
            2,
            index,
            &[(1, false), (2, false), (2, true), (3, false), (4, true), (1, false), (3, true), (4, false)],
        );
        let mut g = Geometry {
            cpus,
            groups,
            interleaved: interleaved && cpus.count_ones() > 1,
            static_size: self.stratum(3, index, &STATICS),
            reserved: self.stratum(4, index, &RESERVED),
            dyn_size: self.stratum(5, index, &DYNS),
            // `pcpu_page_first_chunk()` has no other atom, and the unit is chosen by hand-made infos only. Values that
            // do nothing would make programs look different that are not.
            atom: if first == First::Page { 4096 } else { self.stratum(6, index, &ATOMS) },
            unit: if first == First::Info { self.stratum(7, index, &UNITS) } else { 0 },
            first,
            kmem: self.stratum(8, index, &[true, false]),
            pages: self.stratum(9, index, &PAGES),
        };
        // Every CPU's first chunk is real memory: many CPUs with a large static area would only cost time.
        if g.nr_cpus() > 8 && g.static_size > 64 << 10 {
            g.static_size = 8192 + g.static_size % 4096;
        }
        g.repair();
        g
    }
}

/// Faults of a quarter of the programs.
///
/// Where mapping a unit takes several page tables, half of the programs fail one of the first eight instead: only a
/// failure after the first runs the clean-up that bug B36 is in.
fn faults(rng: &mut Rng, over_2m: bool) -> Vec<Fault> {
    if over_2m && rng.chance(1, 2) {
        return vec![Fault { site: Site::PageTables, nth: rng.range(1, 8), times: 1 }];
    }
    if !rng.chance(1, 4) {
        return Vec::new();
    }
    // Mostly one: the paths that follow a failure are easier to attribute.
    let nr = rng.pick(&[1, 1, 1, 2, 3]);
    let mut fault = || Fault {
        site: FAULT_SITES[rng.weighted(FAULT_SITES.iter().map(|s| s.1))].0,
        // Uniform in the logarithm, since early allocations include those of the first chunks.
        nth: rng.log_range(1, 256),
        times: match rng.below(10) {
            0 => u32::MAX,
            1..4 => rng.range(2, 16),
            _ => 1,
        },
    };
    (0..nr).map(|_| fault()).collect()
}

/// Memory under pressure and shrinkers, in one program of ten.
///
/// Pages run out now and then, and what kind of page is short differs.
fn pressure(rng: &mut Rng, boot: &Geometry) -> (Option<Memory>, Vec<Shrinker>) {
    if !rng.chance(1, 10) {
        return (None, Vec::new());
    }
    let cpus = boot.nr_cpus();
    // In proportion to CPUs, as populating an area takes a page for each.
    let pages = |rng: &mut Rng| rng.pick(&[0, 0, 1, 4, 16]) as u16 * cpus as u16;
    // Most often there is enough for the metadata of chunks, which may take many times more than the backing pages do.
    // Otherwise every program would fail at the first chunk.
    let chunks = rng.pick(&[0, 1, 1, 2]) * metadata(boot);
    let memory = Memory {
        free: (rng.pick(&[2, 8, 32, 128]) * cpus + chunks).min(u32::from(u16::MAX)) as u16,
        reserve: rng.pick(&[0, 1, 4, 16]),
        clean: pages(rng),
        io: pages(rng),
        fs: pages(rng),
        oom: pages(rng),
        kswapd: rng.chance(3, 4),
    };
    let nr = rng.pick(&[0, 1, 1, 2]);
    (Some(memory), (0..nr).map(|_| shrinker(rng)).collect())
}

/// The number of pages that the metadata of a chunk takes, roughly: two bitmaps with a bit for each four bytes of a
/// unit, with kmem accounting a pointer for each, and a record for each page.
fn metadata(boot: &Geometry) -> u32 {
    let unit = boot.least_unit().max(boot.atom / boot.nr_cpus());
    let bytes = unit / 16 + unit / 128 + if boot.kmem { 2 * unit } else { 0 };
    bytes.div_ceil(4096)
}

/// A shrinker that frees one variable.
///
/// Half of the gated ones take a file system lock around it, and a third allocate first, as some shrinkers must before
/// they can free.
fn shrinker(rng: &mut Rng) -> Shrinker {
    let gated = rng.chance(3, 4);
    let lock = LOCKS[LOCKS.iter().position(|(l, _)| l.lock == Ext::Fs).unwrap_or(0)].0;
    let var = Var(rng.below(16) as u8);
    let mut ops = Vec::new();
    if gated && rng.chance(1, 2) {
        ops.push(Op::Lock { lock });
    }
    if rng.chance(1, 3) {
        // What rule 15 allows: a gated shrinker may sleep, but not for IO or file systems.
        let gfp = if gated { rng.pick(&[Gfp::NOIO, Gfp::NOWAIT]) } else { Gfp::NOWAIT };
        // A variable that tasks seldom use, so that the shrinker's areas are mostly its own.
        ops.push(Op::Alloc { dst: Var(255), size: 8 * rng.range(1, 64), align: 8, reserved: false, gfp });
    }
    ops.push(Op::Free { var });
    Shrinker { gated, objects: rng.range(1, 3) as u8, ops }
}
