// SPDX-License-Identifier: GPL-2.0-only
//! Generated programs: realistic mixes of sizes and masks, in phases that bring the allocator into the states that
//! matter, on machines that take every value of every axis in turn.
//!
//! Independent random ops leave the allocator in one average state. Phases (fill, fragment, drain and so on) drive it
//! to full chunks, holes, empty pages and sidelined chunks, which the interesting code needs.

use super::axes::{ATOMS, CPUS, DYNS, PAGES, RESERVED, STATICS, UNITS};
use super::contract::ContractState;
use super::draw::{Draw, Sizes};
use super::handler::interrupts;
use super::interleave::interleave;
use super::op::{LOCKS, Op, TABLE};
use super::rng::Rng;
use super::{Program, Shrinker, Turn};
use percuss_kernel::event::{Ext, Site};
use percuss_kernel::geometry::{First, Geometry};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Fault, Memory, Scope, Var, limits};

/// Makes program `i` of a seed, for any `i` in any order, so that workers can share a campaign without coordination.
#[derive(Clone, Copy, Debug)]
pub struct Generator {
    seed: u64,
    /// Least number of tasks of a program.
    tasks: usize,
}

/// Numbers of tasks that programs have, all entries equally likely. Most programs have one task: they need no schedule
/// and their findings are the easiest to read. In ascending order, as `program` bisects it.
const TASKS: [usize; 10] = [1, 1, 1, 1, 1, 1, 2, 2, 3, 4];

/// What the ops of a phase do together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Fill,
    Churn,
    Drain,
    /// Frees every second area, which leaves holes that large allocations do not fit.
    Fragment,
    Boundary,
    /// Allocates and frees in atomic context or with interrupts off, where only pages that are populated can be used.
    Burst,
    Scoped,
    /// Allocates under external locks that forbid some or all reclaim.
    Locked,
    Interrupt,
    /// Lets the balance worker run, one to three times: a second run sees what the first left.
    Balance,
    /// Leads the balance worker to sideline a chunk, and frees beside what is left in it; see [`Writer::sideline`].
    Sideline,
}

/// Phases with their shares. Phases that allocate weigh most: the others do nothing without live areas.
const PHASES: [(Phase, u32); 11] = [
    (Phase::Fill, 25),
    (Phase::Churn, 30),
    (Phase::Drain, 8),
    (Phase::Fragment, 10),
    (Phase::Boundary, 10),
    (Phase::Burst, 8),
    (Phase::Scoped, 6),
    (Phase::Locked, 5),
    (Phase::Interrupt, 3),
    (Phase::Balance, 6),
    (Phase::Sideline, 4),
];

/// Sets the stream of random numbers for preemptions apart from that for ops, so that a program has the same ops with
/// and without. The letters are ASCII for "preempt".
const PREEMPTIONS: u64 = 0x7072_6565_6d70_7400;

/// Sets the stream for interrupts apart, likewise. ASCII for "irqs".
const INTERRUPTS: u64 = 0x6972_7173_0000_0000;

/// Sites of generated faults with their shares. Memblock is rare: the kernel panics at boot, as it should, and the rest
/// of the program does not run.
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

    /// Program `index`. It depends on nothing but the seed, the index and the least number of tasks.
    pub fn program(&mut self, index: u64) -> Program {
        let mut rng = Rng::new(self.seed, index);
        let boot = self.geometry(index);
        let over_2m = boot.first == First::Page && boot.least_unit() >= 300 << 10;
        let faults = faults(&mut rng, over_2m);
        // Three decades of lengths, with a mean above 100.
        let nr_ops = rng.log_range(8, 400) as usize;
        let enough = &TASKS[TASKS.partition_point(|n| *n < self.tasks)..];
        let nr_tasks = if enough.is_empty() { self.tasks } else { rng.pick(enough) };
        let mut writer = Writer::new(&mut rng, boot, nr_tasks, nr_ops);
        while writer.left > 0 {
            writer.phase();
        }
        // The writer records the order in which it wrote the ops: the schedule in which its idea of live variables is
        // right.
        let (tasks, schedule) = (writer.tasks, writer.schedule);
        let (memory, shrinkers) = pressure(&mut rng, &boot);
        let mut program = Program { boot, memory, tasks, shrinkers, faults, schedule, ..Program::default() };
        match rng.below(10) {
            _ if nr_tasks == 1 => program.schedule.clear(),
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
        let mut rng = Rng::new(self.seed ^ (axis + 1) << 48, index / n);
        let mut order: Vec<usize> = (0..values.len()).collect();
        for i in (1..order.len()).rev() {
            order.swap(i, rng.below(i as u32 + 1) as usize);
        }
        values[order[(index % n) as usize]]
    }

    /// The geometry of program `index`, without making its ops.
    pub fn geometry(&self, index: u64) -> Geometry {
        let first = self.stratum(0, index, &[First::Embed, First::Page, First::Info]);
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

/// Faults of a quarter of the programs. Where mapping a unit takes several page tables, half of the programs fail one
/// of the first eight instead: only a failure after the first runs the clean-up that bug B36 is in.
fn faults(rng: &mut Rng, over_2m: bool) -> Vec<Fault> {
    if over_2m && rng.chance(1, 2) {
        return vec![Fault { site: Site::PageTables, nth: rng.range(1, 8), times: 1 }];
    }
    if !rng.chance(1, 4) {
        return Vec::new();
    }
    let nr = rng.pick(&[1, 1, 1, 2, 3]);
    let mut fault = || Fault {
        site: FAULT_SITES[rng.weighted(FAULT_SITES.iter().map(|s| s.1))].0,
        nth: rng.log_range(1, 256),
        times: match rng.below(10) {
            0 => u32::MAX,
            1..4 => rng.range(2, 16),
            _ => 1,
        },
    };
    (0..nr).map(|_| fault()).collect()
}

/// Memory under pressure and shrinkers, in one program of ten. Pages run out now and then, and what kind of page is
/// short differs.
fn pressure(rng: &mut Rng, boot: &Geometry) -> (Option<Memory>, Vec<Shrinker>) {
    if !rng.chance(1, 10) {
        return (None, Vec::new());
    }
    let cpus = boot.nr_cpus();
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

/// A shrinker that frees one variable. Half of the gated ones take a file system lock around it, and a third allocate
/// first, as some shrinkers must before they can free.
fn shrinker(rng: &mut Rng) -> Shrinker {
    let gated = rng.chance(3, 4);
    let lock = LOCKS[LOCKS.iter().position(|(l, _)| l.lock == Ext::Fs).unwrap_or(0)].0;
    let var = Var(rng.below(16) as u8);
    let mut ops = Vec::new();
    if gated && rng.chance(1, 2) {
        ops.push(Op::Lock { lock });
    }
    if rng.chance(1, 3) {
        let gfp = if gated { rng.pick(&[Gfp::NOIO, Gfp::NOWAIT]) } else { Gfp::NOWAIT };
        ops.push(Op::Alloc { dst: Var(255), size: 8 * rng.range(1, 64), align: 8, reserved: false, gfp });
    }
    ops.push(Op::Free { var });
    Shrinker { gated, objects: rng.range(1, 3) as u8, ops }
}

/// A program that is being written.
struct Writer<'r> {
    draw: Draw<'r>,
    tasks: Vec<Vec<Op>>,
    contexts: Vec<ContractState>,
    schedule: Vec<Turn>,
    /// Index of the task that gets the next op.
    task: usize,
    /// Number of ops still to write.
    left: usize,
}

impl<'r> Writer<'r> {
    fn new(rng: &'r mut Rng, boot: Geometry, nr_tasks: usize, nr_ops: usize) -> Writer<'r> {
        let slots = rng.pick(&[8, 24, 64, 64, 128, 256, 256]);
        let mut writer = Writer {
            draw: Draw::new(rng, boot, slots, nr_tasks),
            tasks: vec![Vec::new(); nr_tasks],
            contexts: vec![ContractState::new(&boot); nr_tasks],
            schedule: Vec::with_capacity(nr_ops),
            task: 0,
            left: nr_ops,
        };
        // With accounting, half of the tasks start in a memcg.
        for task in 0..nr_tasks {
            if boot.kmem && writer.draw.rng.chance(1, 2) {
                let id = writer.draw.rng.range(1, 3) as u8;
                writer.task = task;
                writer.push(Op::Memcg { id });
            }
        }
        writer
    }

    /// Appends an op to the current task if the contract allows it there and the program is not full. In one case of
    /// five, another task is current afterwards.
    fn push(&mut self, op: Op) {
        if self.left == 0 || self.contexts[self.task].check(&op).is_err() {
            return;
        }
        self.left -= 1;
        self.contexts[self.task].apply(&op);
        self.draw.wrote(&op);
        self.tasks[self.task].push(op);
        self.schedule.push(Turn::op(self.task));
        if self.draw.rng.chance(1, 5) {
            self.task = self.draw.rng.below(self.tasks.len() as u32) as usize;
        }
    }

    /// Appends an op of a row of the table, with operands drawn for the context of the current task.
    fn op(&mut self, row: usize) {
        self.draw.context = self.contexts[self.task];
        let op = Op::draw(row, &mut self.draw);
        self.push(op);
    }

    fn alloc(&mut self) {
        self.op(ALLOC);
    }

    fn free(&mut self, var: Var) {
        self.push(Op::Free { var });
    }

    /// Writes the ops of one phase, of a kind, length and size distribution of its own.
    fn phase(&mut self) {
        let rng = &mut *self.draw.rng;
        let phase = PHASES[rng.weighted(PHASES.iter().map(|p| p.1))].0;
        let n = rng.log_range(4, 128);
        self.draw.sizes = match rng.below(10) {
            0..5 => Sizes::Mixed,
            5..8 => Sizes::One(self.common_size()),
            8 => Sizes::Large,
            _ => Sizes::Boundary,
        };
        match phase {
            Phase::Fill => {
                for _ in 0..n {
                    if self.draw.live.len() < self.draw.slots {
                        self.alloc();
                    }
                }
            }
            Phase::Churn => (0..n).for_each(|_| self.churn()),
            Phase::Drain => self.drain(),
            Phase::Fragment => {
                let every_second: Vec<Var> = self.draw.live.iter().copied().step_by(2).collect();
                every_second.into_iter().for_each(|var| self.free(var));
            }
            Phase::Boundary => {
                self.draw.sizes = Sizes::Boundary;
                for _ in 0..n.min(32) {
                    if self.draw.rng.chance(2, 3) { self.alloc() } else { self.free_drawn() }
                }
            }
            Phase::Burst => {
                let irq = self.draw.rng.chance(1, 2);
                let (begin, end) = if irq { (Op::IrqOff, Op::IrqOn) } else { (Op::AtomicBegin, Op::AtomicEnd) };
                self.section(begin, end, n.min(24));
            }
            Phase::Scoped => {
                let scope: Scope = self.draw.scope();
                self.section(Op::Enter { scope }, Op::Leave, n.min(24));
            }
            Phase::Sideline => self.sideline(),
            Phase::Locked => {
                let lock = self.draw.lock();
                let scope = if lock.lock == Ext::Fs { Scope::Nofs } else { Scope::Noio };
                // `push` may switch tasks; scope and lock must be of one task.
                let task = self.task;
                let scoped = self.draw.rng.chance(1, 3);
                if scoped {
                    self.push(Op::Enter { scope });
                    self.task = task;
                }
                self.section(Op::Lock { lock }, Op::Unlock { lock }, n.min(12));
                if scoped {
                    self.task = task;
                    self.push(Op::Leave);
                }
            }
            Phase::Interrupt => {
                let hard = self.draw.rng.chance(1, 2);
                self.section(Op::Interrupt { hard }, Op::InterruptEnd, n.min(8));
            }
            Phase::Balance => {
                for _ in 0..self.draw.rng.range(1, 3) {
                    self.push(Op::Balance);
                }
            }
        }
    }

    /// Writes ops that make the worker sideline a chunk, and frees in it afterwards.
    ///
    /// Since f183324133ea, `pcpu_reclaim_populated()` sidelines a chunk if a quarter of its pages is empty and other
    /// chunks have empty pages enough. A free must then not bring the chunk back into use; only an allocation that
    /// takes from it does.
    fn sideline(&mut self) {
        let rng = &mut *self.draw.rng;
        let (head, small) = (4 * rng.range(4, 1000), 8 * rng.range(1, 16));
        let (one, other) = (4096 * rng.range(1, 2), 4096 * rng.range(1, 2));
        // The first area is the reserve of empty pages. Then comes the chunk: a page in two parts, empty pages on both
        // sides of a page in use, and an area across two pages, whose free makes the chunk look at all its blocks.
        let sizes = [20480, head, 4096 - head, one, 4096 - small, small, other, 2048, 4096, 2048, 8192];
        let vars: Vec<Var> = sizes.iter().map(|size| self.alloc_exactly(*size)).collect();
        for i in [0, 2, 3, 6] {
            self.free(vars[i]);
        }
        self.push(Op::Balance);
        self.free(vars[4]);
        self.free(vars[8]);
        if self.draw.rng.chance(1, 2) {
            self.alloc();
        }
        for i in [1, 5] {
            self.free(vars[i]);
        }
        self.push(Op::Balance);
    }

    /// Allocates with the least alignment, so that areas written one after the other lie side by side.
    fn alloc_exactly(&mut self, size: u32) -> Var {
        let dst = self.draw.fresh_var();
        self.push(Op::Alloc { dst, size, align: 4, reserved: false, gfp: Gfp::KERNEL });
        dst
    }

    fn common_size(&mut self) -> u32 {
        self.draw.rng.pick(&[8, 16, 24, 32, 64, 64, 256, 512, 1024, 4096])
    }

    fn free_drawn(&mut self) {
        let var = self.draw.used_var();
        self.free(var);
    }

    /// Appends an op by the table's weights. In one case of eight it ends an open section instead, which keeps sections
    /// short.
    fn churn(&mut self) {
        if self.draw.rng.chance(1, 8)
            && let Some(close) = self.contexts[self.task].closers().next()
        {
            return self.push(close);
        }
        let row = self.draw.rng.weighted(TABLE.iter().map(|op| op.weight));
        self.op(row);
    }

    fn drain(&mut self) {
        let mut live = self.draw.live.clone();
        match self.draw.rng.below(3) {
            // Newest first, oldest first, or with the newest quarter left.
            0 => live.reverse(),
            1 => {}
            _ => live.truncate(live.len() * 3 / 4),
        }
        live.into_iter().for_each(|var| self.free(var));
        if self.draw.rng.chance(1, 2) {
            self.push(Op::Balance);
        }
    }

    /// Writes a section of the current task: `begin`, `n` allocations and frees, `end`.
    fn section(&mut self, begin: Op, end: Op, n: u32) {
        let task = self.task;
        self.push(begin);
        for _ in 0..n {
            // `push` switches tasks now and then.
            self.task = task;
            if self.draw.rng.chance(3, 5) { self.alloc() } else { self.free_drawn() }
        }
        self.task = task;
        self.push(end);
    }
}

/// Row of `alloc` in [`TABLE`].
const ALLOC: usize = 0;
