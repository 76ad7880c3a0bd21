// SPDX-License-Identifier: GPL-2.0-only
//! Minimizes programs: finds the smallest one that still does what `keep` asks about.
//!
//! This is delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", IEEE TSE 2002)
//! with passes that know programs: sections, tasks, schedules and machines are made smaller as such. Nothing runs here;
//! the caller's `keep` runs the candidate and compares findings.

mod schedule;

use super::axes::CPUS;
use super::op::Op;
use super::{DEFAULT_ALIGN, Program, Turn};
use percuss_kernel::geometry::{First, Geometry};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Fault, Memory, VARS, Var};

/// The result of [`minimize`].
#[derive(Clone, Debug)]
pub struct Reduction {
    /// The smallest program found; `keep` holds for it.
    pub program: Program,
    /// Number of calls of `keep`.
    pub tries: u32,
    /// True if no pass makes the program smaller; false if the budget ran out before that was known.
    pub minimal: bool,
}

/// Makes a program smaller while `keep` holds, calling it at most `budget` times.
///
/// `keep` must hold for the repaired `program`; this is not checked. All candidates are repaired, so `keep` sees legal
/// programs only. The same answers lead to the same result, so a minimized program is reproducible.
pub fn minimize(program: Program, keep: impl FnMut(&Program) -> bool, budget: u32) -> Reduction {
    let mut search = Search { best: program, keep, tries: 0, budget };
    search.best.repair();
    // Passes that drop most come first, since all later ones get faster with it. They repeat until none changes
    // anything: dropping an op can make a task or a CPU unnecessary.
    let mut changed = true;
    while changed && search.tries < search.budget {
        let before = search.best.clone();
        search.preemptions();
        search.ops();
        search.shrinkers();
        search.handlers();
        search.memory();
        search.faults();
        search.tasks();
        search.schedule();
        search.geometry();
        search.operands();
        search.renumber();
        changed = search.best != before;
    }
    Reduction { program: search.best, tries: search.tries, minimal: !changed }
}

struct Search<F> {
    best: Program,
    keep: F,
    tries: u32,
    budget: u32,
}

/// Position of an op: task and index in it.
type Place = (usize, usize);

impl<F: FnMut(&Program) -> bool> Search<F> {
    /// Tries an edited program: it replaces the best one if it is different after repair and `keep` holds. True if it
    /// did.
    ///
    /// Edits may break rules or use places that no longer exist after repair; they must not panic on any program.
    fn attempt(&mut self, edit: impl FnOnce(&mut Program)) -> bool {
        if self.tries >= self.budget {
            return false;
        }
        let mut candidate = self.best.clone();
        edit(&mut candidate);
        candidate.repair();
        // Repair undid the edit. Asking again about the same program would only use up the budget.
        if candidate == self.best {
            return false;
        }
        // Only real candidates count against the budget.
        self.tries += 1;
        let kept = (self.keep)(&candidate);
        if kept {
            self.best = candidate;
        }
        kept
    }

    /// Tries to drop pieces of a list of `len` entries, in linear passes with pieces of halving size, down to single
    /// ones.
    ///
    /// Passes go from the end: the finding mostly ended the program, so what follows it matters least.
    fn chunks(&mut self, len: impl Fn(&Program) -> usize, drop: impl Fn(&mut Program, usize, usize)) {
        // From all at once down to single entries.
        let mut chunk = len(&self.best).next_power_of_two();
        while chunk > 0 {
            let mut end = len(&self.best);
            while end > 0 {
                let start = end.saturating_sub(chunk);
                self.attempt(|p| drop(p, start, end));
                // Repair may have dropped more than the piece.
                end = start.min(len(&self.best));
            }
            chunk /= 2;
        }
    }

    fn ops(&mut self) {
        self.chunks(|p| p.tasks.iter().map(Vec::len).sum(), drop_ops);
        // A section begins and ends with ops that repair puts back one by one: drop them together.
        // The list is made once; ops may be gone by the time their turn comes.
        // The list is made once; ops may be gone by the time their turn comes.
        for opener in places(&self.best).into_iter().rev() {
            let Some(&op) = self.best.tasks[opener.0].get(opener.1) else { continue };
            let Some(closer) = closer_of(op) else { continue };
            let Some(at) = (self.best.tasks[opener.0].iter().skip(opener.1)).position(|&op| op == closer) else {
                continue;
            };
            self.attempt(|p| drop_places(p, &[opener, (opener.0, opener.1 + at)]));
        }
    }

    /// Drops shrinkers, then ops of those that stay.
    fn shrinkers(&mut self) {
        for i in (0..self.best.shrinkers.len()).rev() {
            // The list may shrink under the loop, by this attempt or by repair.
            let left = self.best.shrinkers.len();
            self.attempt(|p| drop(p.shrinkers.remove(i)));
            if self.best.shrinkers.len() < left {
                continue;
            }
            self.attempt(|p| p.shrinkers[i].objects = p.shrinkers[i].objects.min(1));
            let Some(nr) = self.best.shrinkers.get(i).map(|s| s.ops.len()) else { continue };
            for op in (0..nr).rev() {
                // Dropping a lock drops its release as well: repair removes a release without a lock.
                self.attempt(|p| {
                    let ops = &mut p.shrinkers[i].ops;
                    if op < ops.len() {
                        ops.remove(op);
                    }
                });
            }
        }
    }

    /// Drops handlers, then ops of those that stay.
    fn handlers(&mut self) {
        for i in (0..self.best.handlers.len()).rev() {
            let left = self.best.handlers.len();
            self.attempt(|p| drop_handler(p, i));
            if self.best.handlers.len() < left {
                continue;
            }
            for op in (0..self.best.handlers[i].ops.len()).rev() {
                self.attempt(|p| {
                    p.handlers[i].ops.remove(op);
                });
            }
        }
    }

    /// Sets memory to what is simplest: none, the default value of each field, or a smaller value than that.
    fn memory(&mut self) {
        // Without memory nothing reclaims, which takes a whole subsystem out of the finding.
        self.attempt(|p| p.memory = None);
        let plain = Memory::default();
        let fields: [fn(&mut Memory, &Memory); 7] = [
            |m, d| m.free = d.free,
            |m, d| m.reserve = d.reserve,
            |m, d| m.clean = d.clean,
            |m, d| m.io = d.io,
            |m, d| m.fs = d.fs,
            |m, d| m.oom = d.oom,
            |m, d| m.kswapd = d.kswapd,
        ];
        for set in fields {
            self.attempt(|p| p.memory.iter_mut().for_each(|m| set(m, &plain)));
        }
        let smaller: [fn(&mut Memory); 5] = [
            |m| m.free = m.free.min(1),
            |m| m.clean = m.clean.min(1),
            |m| m.io = m.io.min(1),
            |m| m.fs = m.fs.min(1),
            |m| m.reserve = 0,
        ];
        for set in smaller {
            self.attempt(|p| p.memory.iter_mut().for_each(set));
        }
    }

    /// Drops faults, and makes the rest fail once and early.
    fn faults(&mut self) {
        self.chunks(
            |p| p.faults.len(),
            |p, start, end| {
                p.faults.drain(start..end);
            },
        );
        for i in 0..self.best.faults.len() {
            self.attempt(|p| p.faults[i].times = 1);
            let Fault { nth, .. } = self.best.faults[i];
            // The first allocation, a bisection, or one step.
            for nth in [1, nth / 2, nth - 1] {
                self.attempt(|p| p.faults[i].nth = nth.max(1).min(p.faults[i].nth));
            }
        }
    }

    /// Drops tasks, or puts all ops into one.
    fn tasks(&mut self) {
        for task in (0..self.best.tasks.len()).rev() {
            if self.best.tasks.len() > 1 {
                self.attempt(|p| drop_task(p, task));
            }
        }
        // A program with one task needs no schedule, so its finding is no race.
        if self.best.tasks.len() > 1 {
            self.attempt(|p| {
                // The order of starting, as far as the schedule gives it; blocked tasks may have made another one.
                let order = run_order(p);
                p.tasks = vec![order.into_iter().map(|(task, op)| p.tasks[task][op]).collect()];
                p.schedule.clear();
            });
        }
    }

    /// Moves each field of the geometry to its default, or to what is simpler than that.
    fn geometry(&mut self) {
        let plain = Geometry::default();
        // All fields at once succeeds for most findings and saves the single steps.
        self.attempt(|p| p.boot = plain);
        // Each field by itself: one may matter to the finding while others do not.
        let fields: [fn(&mut Geometry, &Geometry); 10] = [
            |g, d| g.cpus = d.cpus,
            |g, d| g.groups = d.groups,
            |g, d| g.interleaved = d.interleaved,
            |g, d| g.static_size = d.static_size,
            |g, d| g.reserved = d.reserved,
            |g, d| g.dyn_size = d.dyn_size,
            |g, d| g.atom = d.atom,
            |g, d| g.unit = d.unit,
            |g, d| g.kmem = d.kmem,
            |g, d| g.pages = d.pages,
        ];
        for set in fields {
            self.attempt(|p| set(&mut p.boot, &plain));
        }
        // Plainer builders and fewer CPUs than the default are simpler still; never back to what is not.
        for first in [First::Embed, First::Page] {
            self.attempt(|p| p.boot.first = if (first as u8) < p.boot.first as u8 { first } else { p.boot.first });
        }
        for cpus in [CPUS[1], CPUS[2], CPUS[3], CPUS[0]] {
            self.attempt(|p| {
                if cpus.count_ones() < p.boot.nr_cpus() {
                    p.boot.cpus = cpus;
                }
            });
        }
        self.attempt(|p| p.boot.groups = p.boot.groups.min(2));
    }

    /// Makes operands simple: common masks, default alignments, round sizes.
    fn operands(&mut self) {
        for (task, i) in places(&self.best) {
            // Repair may drop an op after an edit, and the position is then another op's. The next attempt edits that
            // one, which does no harm.
            // Each edit is an attempt of its own: one run for one operand.
            // Each edit is an attempt of its own: one run for one operand.
            let mut set = |edit: &dyn Fn(&mut Op)| {
                self.attempt(|p| {
                    if let Some(op) = p.tasks.get_mut(task).and_then(|ops| ops.get_mut(i)) {
                        edit(op);
                    }
                })
            };
            for gfp in [Gfp::KERNEL, Gfp::NOWAIT, Gfp::NOFS, Gfp::NOIO, Gfp::KERNEL_ACCOUNT] {
                // Only towards the front of the list: masks that replaced each other in turn would make the search
                // endless.
                let simpler = |old: Gfp| rank(gfp) < rank(old);
                set(&|op| {
                    if let Op::Alloc { gfp: old, .. } = op
                        && simpler(*old)
                    {
                        *old = gfp;
                    }
                });
            }
            set(&|op| {
                if let Op::Alloc { reserved, .. } = op {
                    *reserved = false;
                }
            });
            // The default reads best; 4 is the least that the allocator honours.
            for simpler in [DEFAULT_ALIGN, 4] {
                set(&|op| {
                    if let Op::Alloc { align, .. } = op
                        && *align != DEFAULT_ALIGN
                    {
                        *align = simpler;
                    }
                });
            }
            for candidate in 0..5 {
                set(&|op| {
                    if let Op::Alloc { size, .. } = op {
                        // Several candidates, because findings depend on sizes in different ways: on pages, on powers
                        // of two, or on being large.
                        *size = simpler_size(*size, candidate);
                    }
                });
            }
            set(&|op| match op {
                Op::Write { seed, .. } => *seed = 1,
                Op::Memcg { id } => *id = 1.min(*id),
                Op::Signal { task } => *task = None,
                Op::IsStatic { delta, .. } | Op::Phys { delta, .. } => *delta = 0,
                _ => {}
            });
        }
    }

    /// Renumbers variables from `v0` in order of first use.
    fn renumber(&mut self) {
        self.attempt(|p| {
            // New numbers by first use in running order, so that reports read from `v0` up.
            let (mut new, mut next) = ([None; VARS], 0);
            let mut rename = |var: &mut Var| {
                let number = *new[usize::from(var.0)].get_or_insert_with(|| {
                    next += 1;
                    next - 1
                });
                *var = Var(number as u8);
            };
            for (task, i) in run_order(p) {
                p.tasks[task][i].visit_vars(&mut rename);
            }
            p.shrinkers.iter_mut().flat_map(|s| &mut s.ops).for_each(|op| op.visit_vars(&mut rename));
            p.handlers.iter_mut().flat_map(|h| &mut h.ops).for_each(|op| op.visit_vars(&mut rename));
        });
    }
}

/// Rank of a mask in the order of simplicity; masks that are not listed come last.
fn rank(gfp: Gfp) -> u32 {
    let order = [Gfp::KERNEL, Gfp::NOWAIT, Gfp::NOFS, Gfp::NOIO, Gfp::KERNEL_ACCOUNT];
    order.iter().position(|&g| g == gfp).unwrap_or(order.len()) as u32
}

/// A size simpler than `size`, by number of the candidate: 64, whole pages, a power of two, half, a multiple of 8.
///
/// Only sizes below `size`, so that the search ends.
fn simpler_size(size: u32, candidate: u32) -> u32 {
    let below = match candidate {
        0 => 64,
        1 if size > 4096 => size & !4095,
        1 => size,
        2 => size.checked_ilog2().map_or(size, |log| 1 << log),
        3 => size / 2,
        _ => size & !7,
    };
    if below > 0 && below < size { below } else { size }
}

/// The op that ends the section which `op` begins.
fn closer_of(op: Op) -> Option<Op> {
    match op {
        Op::Enter { .. } => Some(Op::Leave),
        Op::AtomicBegin => Some(Op::AtomicEnd),
        Op::IrqOff => Some(Op::IrqOn),
        Op::Lock { lock } => Some(Op::Unlock { lock }),
        Op::Interrupt { .. } => Some(Op::InterruptEnd),
        _ => None,
    }
}

/// Positions of all ops, task by task.
fn places(p: &Program) -> Vec<Place> {
    p.tasks.iter().enumerate().flat_map(|(task, ops)| (0..ops.len()).map(move |i| (task, i))).collect()
}

/// Positions of all ops in the order in which they start when none waits for another: by the schedule, then by task.
pub fn run_order(p: &Program) -> Vec<Place> {
    let mut next = vec![0; p.tasks.len()];
    let mut order = Vec::with_capacity(p.nr_ops());
    // A turn is taken for one op; turns with points may be less or more than that.
    for turn in &p.schedule {
        let task = usize::from(turn.lane);
        if task < next.len() && next[task] < p.tasks[task].len() {
            order.push((task, next[task]));
            next[task] += 1;
        }
    }
    for (task, done) in next.into_iter().enumerate() {
        order.extend((done..p.tasks[task].len()).map(|i| (task, i)));
    }
    order
}

/// Drops ops `start..end` in the order they run, so that the pieces of a pass are neighbours in time, across tasks.
fn drop_ops(p: &mut Program, start: usize, end: usize) {
    let dropped = run_order(p)[start..end].to_vec();
    drop_places(p, &dropped);
}

/// Drops ops with their turns, so that the others keep their order.
///
/// Dropping the ops alone would move every later turn of the task to another op.
fn drop_places(p: &mut Program, dropped: &[Place]) {
    let mut keep: Vec<Vec<bool>> = p.tasks.iter().map(|ops| vec![true; ops.len()]).collect();
    dropped.iter().for_each(|&(task, i)| keep[task][i] = false);
    let mut next = vec![0; p.tasks.len()];
    p.schedule.retain(|turn| {
        let task = usize::from(turn.lane);
        // A preempted turn may cover part of an op or several; it has no op of its own.
        if turn.preempts() || task >= next.len() {
            return true;
        }
        next[task] += 1;
        // Turns beyond the ops of a task have nothing to lose.
        keep[task].get(next[task] - 1).copied().unwrap_or(true)
    });
    for (ops, keep) in p.tasks.iter_mut().zip(keep) {
        let mut keep = keep.into_iter();
        ops.retain(|_| keep.next().unwrap_or(true));
    }
}

/// Drops a task with its turns.
///
/// Tasks after it move up, in the schedule and as targets of signals too.
fn drop_task(p: &mut Program, task: usize) {
    p.tasks.remove(task);
    for op in p.tasks.iter_mut().flatten() {
        // A signal to the dropped task becomes one to the sender; later tasks have moved up by one.
        if let Op::Signal { task: target @ Some(_) } = op {
            *target = target.filter(|t| usize::from(*t) != task).map(|t| t - u8::from(usize::from(t) > task));
        }
    }
    p.schedule.retain(|t| usize::from(t.lane) != task);
    let later = p.schedule.iter_mut().filter(|t| usize::from(t.lane) > task && t.lane < Turn::KSWAPD);
    later.for_each(|t| t.lane -= 1);
}

/// Drops a handler with the turns that fire it; handlers after it move up.
fn drop_handler(p: &mut Program, handler: usize) {
    p.handlers.remove(handler);
    p.schedule.retain(|t| t.fires() != Some(handler));
    for turn in &mut p.schedule {
        if let Some(other) = turn.fires().filter(|h| *h > handler) {
            *turn = Turn::handler(other - 1);
        }
    }
}
