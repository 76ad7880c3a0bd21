// SPDX-License-Identifier: GPL-2.0-only
//! What each op does.
//!
//! All of this runs on a fiber, which may be abandoned in any tenant call: no borrow and nothing else with a destructor
//! may be alive across one. So each statement borrows the World anew, and results are bound before they are matched on,
//! since the borrow in the head of a `match` or an `if let` lives to its end.

use std::cell::{Cell, RefCell};

use percuss_kernel::event::{Event, Ext};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Addr, DRAIN, Kernel, Scope, Tenant, Var, limits, op_number};
use percuss_oracle::{ContentError, content};
use percuss_program::{ARGS, Arg, Call, Handler, HeldLock, Op, Shrinker};
use percuss_world::Host;
use percuss_world::areas::Area;
use percuss_world::sample::Contents;

/// Scopes that a task can nest; more are ignored. Room for them is allocated in advance, because a fiber that is
/// abandoned while it allocates would leak.
pub const SCOPES: usize = 8;

/// What the fibers of a run share: the World, the tenant, and the ops they run. Each cell is borrowed only between
/// World calls, never across one, for another fiber may run there.
#[derive(Debug)]
pub struct Shared<T> {
    pub host: Host,
    pub tenant: T,
    /// Ops of each task. They are copied here because a fiber cannot borrow the program.
    pub ops: RefCell<Vec<Vec<Op>>>,
    pub shrinkers: RefCell<Vec<Shrinker>>,
    pub handlers: RefCell<Vec<Handler>>,
    /// Scopes that each task is in, the innermost last, with the flag to restore.
    pub scopes: RefCell<Vec<Vec<(Scope, bool)>>>,
    /// Content errors: the number of events before each, the op that saw it, and the error. The number places it in
    /// the log.
    pub content: RefCell<Vec<(usize, u32, ContentError)>>,
    pub contents: Cell<Contents>,
    /// With [`Contents::Sampled`], something was seen that only [`Contents::Whole`] can tell right from wrong.
    pub doubt: Cell<bool>,
    /// Allocations whose area the World saw cleared.
    pub cleared: Cell<u32>,
    /// `pcpu_nr_populated` after boot: pages of one unit of the first chunk.
    pub first_pages: Cell<u64>,
}

impl<T: Tenant> Shared<T> {
    /// Runs one op between its OpBegin and OpEnd events. The scheduling point lets other tasks run before an op as
    /// well.
    pub fn execute(&self, task: usize, index: usize, op: Op) {
        // From here to OpEnd, what is logged belongs to this op.
        let number = op_number(task, index);
        let context = self.host.world_mut().op_begin(number);
        self.host.point();
        let result = self.perform(task, number, op);
        self.host.world_mut().op_end(number, result, context, changes_context(op));
    }

    fn perform(&self, task: usize, number: u32, op: Op) -> u64 {
        match op {
            Op::Alloc { dst, size, align, reserved, gfp } => self.alloc(number, dst, (size, align, reserved, gfp)),
            Op::Free { var } => self.free(number, var),
            Op::Enter { scope } => {
                // A nesting that is too deep is no error: the program that mutation made still runs.
                if self.scopes.borrow()[task].len() < SCOPES {
                    let old = self.host.scope_save(scope);
                    self.scopes.borrow_mut()[task].push((scope, old));
                }
                0
            }
            Op::Leave => {
                // Bound first: `scope_restore` may switch, and the borrow must have ended.
                let last = self.scopes.borrow_mut()[task].pop();
                if let Some((scope, old)) = last {
                    self.host.scope_restore(scope, old);
                }
                0
            }
            Op::AtomicBegin => self.preempt(true),
            Op::AtomicEnd => self.preempt(false),
            Op::IrqOff => self.irqs(true),
            Op::IrqOn => self.irqs(false),
            Op::Interrupt { hard } => self.interrupt(1 << u8::from(hard)),
            Op::InterruptEnd => self.interrupt(0),
            Op::Lock { lock: HeldLock { lock, shared } } => {
                self.host.lock_ext(lock, shared);
                0
            }
            Op::Unlock { lock } => {
                self.host.unlock_ext(lock.lock);
                0
            }
            Op::SchedProbe { dst, size } => {
                // As the scheduler would, which holds its runqueue lock: the allocator may neither sleep nor wake a
                // task there.
                self.host.lock_ext(Ext::Rq, false);
                let ptr = self.alloc(number, dst, (size, 8, false, Gfp::NOWAIT));
                self.host.unlock_ext(Ext::Rq);
                ptr
            }
            Op::Balance => self.balance() as u64,
            Op::Memcg { id } => {
                self.host.world_mut().set_memcg(id as u32);
                0
            }
            Op::Write { var, seed } => self.write(var, seed),
            Op::Verify { var } => self.verify(number, var),
            Op::IsStatic { var, cpu, delta } => self.is_static(number, self.address(var, cpu, delta)),
            Op::Phys { var, cpu, delta } => self.phys(number, self.address(var, cpu, delta)),
            Op::NrPages => self.tenant.nr_pages(),
            Op::Call { dst, call } => self.call(dst, call),
            Op::Signal { task } => {
                self.host.world_mut().kill(task.map(usize::from));
                0
            }
        }
    }

    fn preempt(&self, off: bool) -> u64 {
        let mut w = self.host.world_mut();
        let task = w.task_mut();
        task.preempt = if off { task.preempt + 1 } else { task.preempt.saturating_sub(1) };
        w.push_event(Event::Preempt { off });
        0
    }

    fn irqs(&self, off: bool) -> u64 {
        let mut w = self.host.world_mut();
        w.task_mut().irqs_off = off;
        w.push_event(Event::Irqs { off });
        drop(w);
        // A scheduling point, since a handler may start as soon as interrupts are on.
        if !off {
            self.host.point();
        }
        0
    }

    /// Puts the task into an interrupt, bit 0 for a soft one or bit 1 for a hard one, or with 0 out of it. The ops
    /// after it run in that context.
    fn interrupt(&self, handler: u8) -> u64 {
        let mut w = self.host.world_mut();
        let before = std::mem::replace(&mut w.task_mut().interrupt, handler);
        w.push_event(Event::Interrupt { hard: (before | handler) & 2 != 0, enter: handler != 0 });
        0
    }

    /// Runs the ops of a shrinker in the context of the task that reclaims: it holds that task's locks, which is what
    /// makes allocating there dangerous.
    pub fn shrink(&self, shrinker: usize) {
        for index in 0.. {
            let Some(op) = self.shrinkers.borrow().get(shrinker).and_then(|s| s.ops.get(index).copied()) else { break };
            // Owners of ops are numbered: tasks first, then shrinkers, then handlers.
            self.execute(limits::TASKS + shrinker, index, op);
        }
    }

    /// Whether the run must be repeated with [`Contents::Whole`]: something looks wrong, or the allocator cleared more
    /// than the areas it granted.
    pub fn in_doubt(&self) -> bool {
        self.contents.get() == Contents::Sampled
            && (self.doubt.get()
                || !self.content.borrow().is_empty()
                // The allocator clears each area once, so more clearings mean that it cleared something else.
                || self.host.world().clearings() != self.cleared.get())
    }

    /// Runs the ops of a handler on top of the context that is interrupted, and restores that context after it.
    pub fn handle(&self, handler: usize) {
        let Some(hard) = self.handlers.borrow().get(handler).map(|h| h.hard) else { return };
        let before = self.host.world_mut().interrupt(hard);
        for index in 0.. {
            let Some(op) = self.handlers.borrow()[handler].ops.get(index).copied() else { break };
            self.execute(limits::TASKS + limits::SHRINKERS + handler, index, op);
        }
        self.host.world_mut().interrupt_end(hard, before);
    }

    fn wrong(&self, number: u32, e: ContentError) {
        let at = self.host.world().events().len();
        let mut list = self.content.borrow_mut();
        // One fault mostly shows at many bytes and in many ops; reports need the first.
        if list.len() < 16 {
            list.push((at, number, e));
        }
    }

    fn alloc(&self, number: u32, dst: Var, (size, align, reserved, gfp): (u32, u32, bool, Gfp)) -> u64 {
        let ptr = self.tenant.alloc(size as u64, align as u64, reserved, gfp);
        // A variable that still holds an area forgets it; the drain frees that.
        self.host.world_mut().areas_mut().set(dst, ptr);
        if ptr != 0 {
            // The allocator grants whole units of PCPU_MIN_ALLOC_SIZE, and all of them must be cleared.
            let rounded = size.next_multiple_of(4);
            let sample = self.host.world().sample_of(ptr);
            let area = Area { ptr, size: rounded, seed: None, sample };
            self.host.world().own(ptr, rounded.into());
            if self.contents.get() != Contents::Ignored {
                self.check_new(number, &area, size, align.max(4));
            }
            self.host.world_mut().areas_mut().add(area);
        }
        ptr
    }

    fn check_new(&self, number: u32, area: &Area, size: u32, align: u32) {
        let ptr = area.ptr;
        let mut wrong = Vec::new();
        let look = content::granted(&self.host.world(), area, (size, align), |e| wrong.push(e));
        wrong.into_iter().for_each(|e| self.wrong(number, e));
        if !look {
            return;
        }
        if self.contents.get() == Contents::Sampled {
            // Whether the allocator cleared it is cheaper to know than to read it on each CPU.
            match self.host.world().saw_cleared(ptr, area.size) {
                true => self.cleared.set(self.cleared.get() + 1),
                false => self.doubt.set(true),
            }
            return;
        }
        let found = content::verify(&self.host.world(), area);
        if let Err(e) = found {
            self.wrong(number, e);
        }
    }

    fn free(&self, number: u32, var: Var) -> u64 {
        let ptr = self.host.world().areas().get(var);
        // Cleared first: another task that runs within the call must not free the area again.
        self.host.world_mut().areas_mut().set(var, 0);
        self.free_ptr(number, ptr);
        0
    }

    /// Compares the content of an area and frees it. With [`Contents::Whole`] the area is poisoned before, so that
    /// memory handed out again without being cleared shows.
    pub fn free_ptr(&self, number: u32, ptr: Addr) {
        let area = self.host.world_mut().areas_mut().remove(ptr);
        if let Some(area) = area {
            let found = match self.contents.get() {
                Contents::Ignored => Ok(()),
                Contents::Sampled => content::verify(&self.host.world(), &area),
                Contents::Whole => content::verify_and_scribble(&self.host.world(), &area),
            };
            if let Err(e) = found {
                self.wrong(number, e);
            }
        }
        // Before the call, since another task may be granted the same memory within it.
        if let Some(area) = area {
            self.host.world().disown(ptr, area.size.into());
        }
        self.tenant.free(ptr);
    }

    /// Runs the balance work (`pcpu_balance_workfn`) in the worker's context when it is pending; false when it is not.
    pub fn balance(&self) -> bool {
        let Some(task) = self.host.world_mut().work_begin() else { return false };
        self.tenant.balance();
        self.host.world_mut().work_end(task);
        true
    }

    /// Calls a function by its name. What it returns is no area, whatever it is: percuss does not know what it means, so
    /// nothing is checked, and the drain does not free it.
    fn call(&self, dst: Option<Var>, call: Call) -> u64 {
        // An array, since the fiber may be abandoned in the call.
        let mut args = [0; ARGS];
        for (to, arg) in args.iter_mut().zip(call.args()) {
            *to = match arg {
                Arg::Var(var) => self.host.world().areas().get(*var),
                Arg::Int(n) => *n as u64,
            };
        }
        let result = self.tenant.call(call.name(), &args[..call.args().len()]);
        if let Some(dst) = dst {
            self.host.world_mut().areas_mut().set(dst, result);
        }
        result
    }

    fn write(&self, var: Var, seed: u8) -> u64 {
        let ptr = self.host.world().areas().get(var);
        let area = self.host.world_mut().areas_mut().find(ptr).map(|a| {
            a.seed = Some(seed);
            *a
        });
        if let Some(area) = area
            && self.contents.get() != Contents::Ignored
        {
            content::write(&self.host.world(), &area, seed);
        }
        0
    }

    fn verify(&self, number: u32, var: Var) -> u64 {
        let ptr = self.host.world().areas().get(var);
        let area = self.host.world_mut().areas_mut().find(ptr).copied();
        if let Some(area) = area
            && self.contents.get() != Contents::Ignored
        {
            let found = content::verify(&self.host.world(), &area);
            if let Err(e) = found {
                self.wrong(number, e);
            }
        }
        0
    }

    /// The address and CPU that a query asks about: a CPU's copy of a live area, or of the static area when the
    /// variable holds none.
    fn address(&self, var: Var, cpu: u8, delta: u16) -> (Addr, u32) {
        let ptr = self.host.world().areas().get(var);
        let w = self.host.world();
        let cpus = w.geometry().nr_cpus();
        // Any number is some possible CPU, so that mutated programs mean something.
        let cpu = w.geometry().possible().nth(cpu as usize % cpus as usize).unwrap_or(0);
        let room = match w.areas().live().iter().find(|a| a.ptr == ptr) {
            Some(area) => area.size as u64,
            None => w.geometry().static_size as u64,
        };
        let base = if ptr == 0 { self.host.static_image() } else { ptr };
        (w.copy_of(base, cpu) + delta as u64 % room.max(1), cpu)
    }

    fn is_static(&self, number: u32, (addr, cpu): (Addr, u32)) -> u64 {
        let found = self.tenant.is_static(addr).unwrap_or(0);
        let expected = self.host.world().static_offset(addr, cpu);
        if self.contents.get() != Contents::Ignored && (found != 0) != expected.is_some() {
            self.wrong(number, ContentError::Answer { ptr: addr, cpu, expected: expected.unwrap_or(0), found });
        }
        found
    }

    fn phys(&self, number: u32, (addr, cpu): (Addr, u32)) -> u64 {
        let found = self.tenant.to_phys(addr);
        let expected = self.host.world().phys(addr);
        if self.contents.get() != Contents::Ignored && Some(found) != expected {
            self.wrong(number, ContentError::Answer { ptr: addr, cpu, expected: expected.unwrap_or(0), found });
        }
        found
    }
}

/// Whether the purpose of the op is to change the context. At the end of any other op, a context that differs from that
/// at its start is a finding: the allocator left a lock held or interrupts off.
fn changes_context(op: Op) -> bool {
    matches!(
        op,
        Op::AtomicBegin
            | Op::AtomicEnd
            | Op::IrqOff
            | Op::IrqOn
            | Op::Lock { .. }
            | Op::Unlock { .. }
            | Op::Interrupt { .. }
            | Op::InterruptEnd
    )
}

/// Marks the drain in the log, so that what it does is not counted for the last op of the program.
pub fn drain_begin(host: &Host) {
    host.world_mut().op_begin(DRAIN);
}
