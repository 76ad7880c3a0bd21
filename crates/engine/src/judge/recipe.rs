// SPDX-License-Identifier: GPL-2.0-only
//! Programs of epochs: many tasks that want the same few chunks, free what others allocated, and run out of memory now
//! and then.

use serde::{Deserialize, Serialize};

use percuss_kernel::event::Site;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Fault, Geometry, Memory, Scope, Var, limits};
use percuss_program::rng::Rng;
use percuss_program::{Generator, HeldLock, LOCKS, Op, Program};

/// Variables that all tasks use; the others belong to one task each. Through the shared ones a task frees what another
/// allocated, also at the same time.
const SHARED: u32 = 24;
/// Variables of a task's own, the rest divided by the most tasks there may be. A wave fills at least half of them.
const OWN: u32 = (percuss_kernel::VARS as u32 - SHARED) / limits::TASKS as u32;

/// What epochs are made of. With the seed and the number of an epoch it determines the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Recipe {
    pub threads: usize,
    /// Ops of an epoch, about.
    pub ops: u32,
    /// Tasks may do what percpu.c does without a lock: be warned that an allocation failed, of which the limit is
    /// under no lock (B15), and ask for the number of pages. What is replayed has one task that is warned, where it may
    /// sleep, and no task asks.
    pub races: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    /// Allocates and frees, in its own variables and in those of all.
    Churn,
    /// Fills up, then frees all: chunks come and go.
    Wave,
    /// Frees what others allocated, and the other way round.
    Cross,
    /// In atomic context and with interrupts off.
    Atomic,
    /// Under locks and in scopes of file systems and devices.
    Scoped,
    Balance,
}

const ROLES: [(Role, u32); 6] = [
    (Role::Churn, 30),
    (Role::Wave, 20),
    (Role::Cross, 20),
    (Role::Atomic, 12),
    (Role::Scoped, 10),
    (Role::Balance, 8),
];

/// The program of epoch `index` of a seed; it has no schedule.
pub fn program(seed: u64, index: u64, recipe: Recipe) -> Program {
    let mut rng = Rng::new(seed ^ 0x50a_c000, index);
    let short = rng.chance(1, 6);
    // A task that waits for memory counts on those that can free some: all of them are there from the start.
    let lives = if short { 1 } else { rng.range(1, 3) as usize };
    let nr_tasks = (recipe.threads * lives).clamp(1, limits::TASKS);
    let per_task = (recipe.ops / nr_tasks as u32).max(8);
    let mut tasks = Vec::with_capacity(nr_tasks);
    // One for all tasks: equal sizes meet in the same chunks.
    let class = rng.pick(&[0, 1, 2, 3]);
    for task in 0..nr_tasks {
        let role = match task {
            // One task has to keep pages populated, and to take them away.
            _ if task + 1 == recipe.threads.min(nr_tasks) && nr_tasks > 1 => Role::Balance,
            _ => ROLES[rng.weighted(ROLES.iter().map(|r| r.1))].0,
        };
        let (races, warned) = (recipe.races, recipe.races || task == 0);
        let n = rng.range(per_task / 2, per_task * 3 / 2).max(4) as usize;
        tasks.push(
            Writer { rng: &mut rng, task: task as u32, class, races, warned, ops: Vec::with_capacity(n), n }
                .write(role),
        );
    }
    let boot = geometry(&mut rng, seed, index);
    let faults = faults(&mut rng);
    let memory = short.then(|| memory(&mut rng, &boot));
    let mut program = Program { boot, tasks, faults, memory, ..Program::default() };
    // Ops are written without a look at what precedes them; this removes what breaks a caller's contract.
    program.repair();
    program
}

/// A machine of a few CPUs, whose pages are short in waves: for some epochs there are hardly any.
fn geometry(rng: &mut Rng, seed: u64, index: u64) -> Geometry {
    let mut g = Generator::new(seed).geometry(index);
    if g.nr_cpus() > 8 {
        g.cpus = 0xff;
    }
    g.static_size = g.static_size.min(64 << 10);
    let wave = [4096, 1024, 256, 64, 64, 256, 1024, 4096];
    g.pages = wave[(index % 8) as usize].max(rng.pick(&[16, 64, 128]) * g.nr_cpus() / u32::from(g.groups));
    // What was changed has to fit together again.
    g.repair();
    g
}

/// Memory that runs out, so that allocations reclaim: some of all kinds, and a process to kill.
fn memory(rng: &mut Rng, boot: &Geometry) -> Memory {
    let cpus = boot.nr_cpus() as u16;
    let mut pages = || rng.pick(&[16, 64, 256]) as u16 * cpus;
    let (free, clean, io, fs, oom) = (pages(), pages(), pages(), pages(), pages());
    Memory { free, clean, io, fs, oom: oom * 8, reserve: rng.pick(&[0, 4, 16]), kswapd: false }
}

fn faults(rng: &mut Rng) -> Vec<Fault> {
    if !rng.chance(1, 3) {
        return Vec::new();
    }
    let sites = [Site::Pages, Site::Pages, Site::Kmalloc, Site::VmAreas, Site::PageTables, Site::Charge];
    let nr = rng.range(1, 3);
    let one = |_| Fault {
        site: rng.pick(&sites),
        nth: rng.log_range(1, 512),
        times: if rng.chance(1, 3) { rng.range(2, 32) } else { 1 },
    };
    (0..nr).map(one).collect()
}

struct Writer<'r> {
    rng: &'r mut Rng,
    task: u32,
    /// Sizes of this epoch: all tasks use the same, so that they meet in the same chunks.
    class: u32,
    races: bool,
    warned: bool,
    ops: Vec<Op>,
    n: usize,
}

impl Writer<'_> {
    fn write(mut self, role: Role) -> Vec<Op> {
        if self.rng.chance(1, 2) {
            let id = self.rng.range(0, 3) as u8;
            self.ops.push(Op::Memcg { id });
        }
        while self.ops.len() < self.n {
            match role {
                Role::Churn => self.churn(),
                Role::Wave => self.wave(),
                Role::Cross => self.cross(),
                Role::Atomic => self.atomic(),
                Role::Scoped => self.scoped(),
                Role::Balance => self.balance(),
            }
        }
        self.ops
    }

    fn shared(&mut self) -> Var {
        Var(self.rng.below(SHARED) as u8)
    }

    fn own(&mut self) -> Var {
        Var((SHARED + self.task * OWN + self.rng.below(OWN)) as u8)
    }

    fn any(&mut self) -> Var {
        if self.rng.chance(1, 3) { self.shared() } else { self.own() }
    }

    fn size(&mut self) -> u32 {
        match (self.class, self.rng.below(8)) {
            (0, 0..6) => 8 * self.rng.range(1, 16),
            (1, 0..6) => self.rng.pick(&[64, 256, 1024, 4096]),
            (2, 0..6) => 4 * self.rng.log_range(1, 2048),
            (_, 0..4) => self.rng.pick(&[2048, 4096, 8192, 12_288, 16_384]),
            _ => 4 * self.rng.log_range(1, 8192),
        }
    }

    fn mask(&mut self, sleeps: bool) -> Gfp {
        let mut gfp = match self.rng.below(8) {
            _ if !sleeps => self.rng.pick(&[Gfp::ATOMIC, Gfp::NOWAIT]),
            0..5 => Gfp::KERNEL,
            5 => Gfp::NOFS,
            6 => Gfp::NOIO,
            _ => Gfp::NOWAIT,
        };
        if self.rng.chance(1, 4) {
            gfp = gfp | Gfp::ACCOUNT;
        }
        // A task that fails and must not sleep reports to the worker without a lock, after the warning.
        let silent = !self.warned || (!sleeps && !self.races);
        // A search for races has many tasks warned: the limit is soon reached, and then hardly any task writes it.
        let quiet = if self.races { 1 } else { 7 };
        if silent || self.rng.chance(quiet, 8) {
            // Without a warning there is no message, whose limit the tasks would share.
            gfp = gfp | Gfp::NOWARN;
        }
        gfp
    }

    fn alloc(&mut self, dst: Var, sleeps: bool) {
        let (size, gfp) = (self.size(), self.mask(sleeps));
        let align = self.rng.pick(&[4, 8, 8, 8, 64, 256]);
        let reserved = self.rng.chance(1, 32);
        self.ops.push(Op::Alloc { dst, size, align, reserved, gfp });
    }

    fn free(&mut self, var: Var) {
        self.ops.push(Op::Free { var });
    }

    fn churn(&mut self) {
        let var = self.any();
        match self.rng.below(16) {
            0..7 => {
                // What a variable holds would be lost.
                self.free(var);
                self.alloc(var, true);
            }
            7..12 => self.free(var),
            12 => {
                let seed = self.rng.below(256) as u8;
                self.ops.push(Op::Write { var, seed });
            }
            13 => self.ops.push(Op::Verify { var }),
            14 if self.races => self.ops.push(Op::NrPages),
            _ => self.alloc(var, false),
        }
    }

    fn wave(&mut self) {
        let first = SHARED + self.task * OWN;
        let n = self.rng.range(OWN / 2, OWN);
        for i in 0..n {
            self.alloc(Var((first + i) as u8), true);
        }
        if self.rng.chance(1, 2) {
            self.ops.push(Op::Balance);
        }
        let newest_first = self.rng.chance(1, 2);
        for i in 0..n {
            let i = if newest_first { n - 1 - i } else { i };
            self.free(Var((first + i) as u8));
        }
    }

    fn cross(&mut self) {
        let (give, take) = (self.shared(), self.shared());
        self.free(take);
        self.alloc(give, true);
        if self.rng.chance(1, 4) {
            let seed = self.rng.below(256) as u8;
            self.ops.push(Op::Write { var: give, seed });
        }
    }

    fn atomic(&mut self) {
        let irq = self.rng.chance(1, 2);
        let (begin, end) = if irq { (Op::IrqOff, Op::IrqOn) } else { (Op::AtomicBegin, Op::AtomicEnd) };
        self.ops.push(begin);
        for _ in 0..self.rng.range(1, 6) {
            let var = self.any();
            self.free(var);
            if self.rng.chance(2, 3) {
                self.alloc(var, false);
            }
        }
        self.ops.push(end);
    }

    fn scoped(&mut self) {
        let scope = self.rng.pick(&[Scope::Nofs, Scope::Noio]);
        let locks = LOCKS.map(|(lock, _)| lock);
        let lock: HeldLock = self.rng.pick(&locks);
        let locked = self.rng.chance(1, 2);
        self.ops.push(Op::Enter { scope });
        if locked {
            self.ops.push(Op::Lock { lock });
        }
        for _ in 0..self.rng.range(1, 4) {
            let var = self.any();
            self.free(var);
            self.alloc(var, true);
        }
        if locked {
            self.ops.push(Op::Unlock { lock });
        }
        self.ops.push(Op::Leave);
    }

    fn balance(&mut self) {
        match self.rng.below(4) {
            0..3 => self.ops.push(Op::Balance),
            _ => {
                let var = self.own();
                self.free(var);
                self.alloc(var, true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_keep_the_contract_and_differ() {
        let recipe = Recipe { threads: 4, ops: 400, races: false };
        let mut waves = 0;
        for index in 0..64 {
            let program = program(1, index, recipe);
            assert!(program.is_repaired(), "epoch {index}");
            assert!(!program.unsafe_caller && program.schedule.is_empty());
            assert!((4..=limits::TASKS).contains(&program.tasks.len()));
            waves += usize::from(program.tasks.iter().flatten().any(|op| matches!(op, Op::Balance)));
            assert_eq!(program, super::program(1, index, recipe), "the same every time");
        }
        assert_eq!(waves, 64, "every epoch runs the balance work");
        assert_ne!(program(1, 0, recipe), program(2, 0, recipe));
    }
}
