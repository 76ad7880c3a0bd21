// SPDX-License-Identifier: GPL-2.0-only
//! The World's side of running a program: ops begin and end, the worker runs, oracles look.

use super::areas::Areas;
use super::arena::{PAGE, PAGE_SHIFT, place};
use super::core::World;
use super::log::{CallSite, Log};
use super::memcg::Memcg;
use super::pressure::Pressure;
use super::task::Task;
use super::vm;
use percuss_kernel::event::{Event, Stop};
use percuss_kernel::{Addr, Geometry, Layout, Lock, WORKER, op_is_nested};

/// Context at the start of an op, to compare with the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    irqs_off: bool,
    preempt: u32,
    /// Locks held: none, but for the ops of a shrinker, which run inside other ops.
    held: u32,
    spinning: u32,
    op: u32,
}

impl World {
    /// What the program holds.
    pub fn areas(&self) -> &Areas {
        &self.areas
    }

    /// See [`World::areas`].
    pub fn areas_mut(&mut self) -> &mut Areas {
        &mut self.areas
    }

    /// Notes that an op starts.
    pub fn op_begin(&mut self, op: u32) -> Context {
        if op_is_nested(op)
            && let Some(sites) = &mut self.sites
        {
            self.outer_sites.push((self.current, sites[self.current].take()));
        }
        self.set_site(None);
        self.emit(Event::OpBegin { op });
        let outer = std::mem::replace(&mut self.ops[self.current], op);
        let t = self.task();
        let held = t.held().count() as u32;
        Context { irqs_off: t.irqs_off, preempt: t.preempt, held, spinning: t.spinning, op: outer }
    }

    /// Notes that an op ended; `free` ops are those whose purpose is to change the context.
    pub fn op_end(&mut self, op: u32, result: u64, before: Context, free: bool) {
        let t = *self.task();
        let held = t.held().count() as u32;
        if held > before.held
            || t.spinning > before.spinning
            || (!free && (t.irqs_off, t.preempt) != (before.irqs_off, before.preempt))
        {
            self.emit(Event::ContextLeak { irqs_off: t.irqs_off, held });
        }
        self.emit(Event::OpEnd { op, result });
        if op_is_nested(op) {
            self.ops[self.current] = before.op;
            if let Some(at) = self.outer_sites.iter().rposition(|(context, _)| *context == self.current) {
                let (_, site) = self.outer_sites.remove(at);
                self.set_site(site);
            }
        }
    }

    /// Number of the op that runs.
    pub fn current_op(&self) -> u32 {
        self.ops[self.current]
    }

    /// Starts the work item on the worker when it is pending; the task to go back to.
    pub fn work_begin(&mut self) -> Option<usize> {
        // One work item does not run twice at once: what was queued meanwhile stays queued.
        if self.working || !std::mem::take(&mut self.work_pending) {
            return None;
        }
        self.working = true;
        let task = std::mem::replace(&mut self.current, WORKER);
        self.tasks[WORKER] = Task::default();
        self.ops[WORKER] = self.ops[task];
        self.emit(Event::WorkBegin);
        Some(task)
    }

    /// Ends the work item.
    pub fn work_end(&mut self, task: usize) {
        let t = self.tasks[WORKER];
        let held = t.held().count() as u32;
        if held > 0 || t.atomic() {
            self.emit(Event::ContextLeak { irqs_off: t.irqs_off, held });
        }
        self.emit(Event::WorkEnd);
        self.working = false;
        self.current = task;
    }

    /// The worker is in the middle of the work item.
    pub fn working(&self) -> bool {
        self.working
    }

    /// The work item is queued.
    pub fn work_pending(&self) -> bool {
        self.work_pending
    }

    /// Makes task `index` run; logs the switch when there is one.
    pub fn switch_to(&mut self, index: usize) {
        if self.current != index {
            self.current = index;
            self.emit(Event::Switch { task: index as u8 });
        }
    }

    /// The running task's context.
    pub fn task_mut(&mut self) -> &mut Task {
        self.task()
    }

    /// Moves the running task to a memcg; 0 is none.
    pub fn set_memcg(&mut self, id: u32) {
        self.task().memcg = id.min(super::MEMCGS as u32 - 1);
    }

    /// A fatal signal becomes pending for a task, the running one when it is None; who waits looks again.
    pub fn kill(&mut self, task: Option<usize>) {
        self.tasks[task.unwrap_or(self.current)].signal = true;
        self.released = true;
    }

    /// An interrupt, hard or soft, can start on top of this context.
    pub fn takes_interrupt(&self, context: usize, hard: bool) -> bool {
        let t = &self.tasks[context];
        let running = if hard { t.interrupt & 2 } else { t.interrupt };
        !t.irqs_off && running == 0
    }

    /// An interrupt starts on top of the running context; what ran there before.
    pub fn interrupt(&mut self, hard: bool) -> u8 {
        let task = self.task();
        let before = task.interrupt;
        task.interrupt |= 1 << u8::from(hard);
        self.emit(Event::Interrupt { hard, enter: true });
        before
    }

    /// It ends.
    pub fn interrupt_end(&mut self, hard: bool, before: u8) {
        self.task().interrupt = before;
        self.emit(Event::Interrupt { hard, enter: false });
    }

    /// Appends an event of the runner.
    pub fn push_event(&mut self, e: Event) {
        self.emit(e);
    }

    /// Ends a zeroing that is still open, so that the log is whole.
    pub fn settle(&mut self) {
        self.end_zeroing();
        self.pressure.settle();
    }

    /// Task 0 runs again, with nothing that forbids sleeping and memory enough: the drain is nobody's op.
    pub fn calm(&mut self) {
        self.switch_to(0);
        *self.task() = Task::default();
        self.pressure.settle();
        self.pool = None;
    }

    /// Says whether nobody but the task that runs next could run: as things are, and once it releases a lock.
    pub fn set_alone(&mut self, alone: [bool; 2]) {
        self.alone = alone;
    }

    /// Nobody but the running task could run.
    pub(super) fn is_alone(&self) -> bool {
        self.alone[usize::from(self.released)]
    }

    /// The tenant's code from here on is at this place; None when it is not known.
    pub fn set_site(&mut self, site: Option<CallSite>) {
        if site.is_some() || self.sites.is_some() {
            let sites = self.sites.get_or_insert_with(|| Box::new(std::array::from_fn(|_| None)));
            sites[self.current] = site;
        }
    }

    /// Who waits has reason to look again: a lock was released since the last call, or a task killed.
    pub fn take_released(&mut self) -> bool {
        std::mem::take(&mut self.released)
    }

    /// The running context.
    pub fn current(&self) -> usize {
        self.current
    }

    /// What waiting for memory did.
    pub fn pressure(&self) -> &Pressure {
        &self.pressure
    }

    /// Why the program ended early.
    pub fn stopped(&self) -> Option<Stop> {
        self.stopped
    }

    /// Events so far.
    pub fn events(&self) -> &[Event] {
        self.log.events()
    }

    /// The log with its texts.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The machine.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// What boot made of it.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Charges and references.
    pub fn memcg(&self) -> &Memcg {
        &self.memcg
    }

    /// Backing pages in use.
    pub fn pages_used(&self) -> u32 {
        self.pages.used()
    }

    /// Live metadata objects, handles of vm areas included.
    pub fn metadata_live(&self) -> u32 {
        self.heap.count()
    }

    /// Reserved ranges of vm areas.
    pub fn ranges_live(&self) -> usize {
        self.vm.live_ranges()
    }

    /// True when the running or any task holds `lock`.
    pub fn is_held(&self, lock: Lock) -> bool {
        self.owner(lock).is_some()
    }

    /// Physical address of per-CPU memory, by the World's own books.
    pub fn phys(&self, addr: Addr) -> Option<u64> {
        if vm::is_vmalloc(addr) {
            return self.page_at(addr).map(|pfn| ((pfn as u64) << PAGE_SHIFT) + addr % PAGE);
        }
        (place::LINEAR..place::LINEAR_END).contains(&addr).then(|| addr - place::LINEAR)
    }

    /// Offset in the static image when `addr` is in the static area of `cpu`.
    pub fn static_offset(&self, addr: Addr, cpu: u32) -> Option<u64> {
        let start = self.copy_of(place::STATIC, cpu);
        addr.checked_sub(start).filter(|off| *off < self.geometry.static_size as u64)
    }

    /// Bytes of every possible CPU's static area differ from the image at this (CPU, offset).
    pub fn static_damage(&self) -> Option<(u32, u64)> {
        let size = self.geometry.static_size as u64;
        let image = self.arena.bytes(place::STATIC, size);
        self.cpus().find_map(|cpu| {
            let copy = self.read_unit(self.copy_of(place::STATIC, cpu), size)?;
            // As a rule they are equal, which one comparison tells; byte by byte costs more than the whole program.
            if copy == image {
                return None;
            }
            copy.iter().zip(image).position(|(a, b)| a != b).map(|at| (cpu, at as u64))
        })
    }
}
