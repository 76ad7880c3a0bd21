// SPDX-License-Identifier: GPL-2.0-only
//! The engine's core: taking and releasing locks of a context, and the dependencies that makes.

use super::class::{CLASSES, Class, ClassDef, ClassTable, Wait};
use super::context::{Context, Held, stricter};
use super::declared::{self, DECLARED};
use super::matrix::{Matrix, Read};
use super::place::{Call, NO_OP, Place};
use super::report::{CallSite, Link, Mark, Report};
use super::usage::Usages;
use percuss_kernel::{CONTEXTS, Cursor};

/// What is checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// CONFIG_PROVE_RAW_LOCK_NESTING: a `spinlock_t` must not be taken under a `raw_spinlock_t`.
    pub raw_lock_nesting: bool,
    /// The declared dependencies of reclaim hold.
    pub declared: bool,
    /// Classes of the caller's own, behind the fixed ones.
    pub extra: Vec<ClassDef>,
}

impl Default for Options {
    fn default() -> Options {
        Options { raw_lock_nesting: false, declared: true, extra: Vec::new() }
    }
}

/// A lock-order engine. Feed it the events of one program, ask for its reports, reset it.
#[derive(Debug)]
pub struct Lockdep {
    pub(super) table: ClassTable,
    pub(super) declared: bool,
    /// Wait type of each class as a number; those of a tenant's other locks are learned.
    pub(super) waits: [u8; CLASSES],
    /// The tenant's other locks that were seen.
    learned: u64,
    /// `LD_WAIT_MAX`
    pub(super) top: u8,
    pub(super) matrix: Matrix,
    pub(super) links: Vec<Link>,
    pub(super) usage: [Usages; CLASSES],
    /// Usages of all classes together.
    pub(super) in_use: Usages,
    pub(super) marks: Vec<Mark>,
    contexts: Box<[Context; CONTEXTS]>,
    /// Which context runs, in which op.
    pub(super) cursor: Cursor,
    /// Contexts that ran.
    ran: u32,
    /// Grows with whatever an acquisition's checks depend on: locks held, interrupts, the task that runs.
    pub(super) changes: u32,
    /// The allocation that passed reclaim last, as changes and mask: until something changes its like says nothing new.
    pub(super) passed: (u32, u32),
    pub(super) reports: Vec<Report>,
}

impl Lockdep {
    /// An engine that has seen nothing.
    pub fn new(options: Options) -> Lockdep {
        let (table, _) = ClassTable::with(&options.extra);
        let raw = options.raw_lock_nesting;
        let mut waits = [0; CLASSES];
        for (at, wait) in waits.iter_mut().enumerate() {
            *wait = table.wait(Class(at as u8)).number(raw);
        }
        let mut new = Lockdep {
            table,
            declared: options.declared,
            waits,
            learned: 0,
            top: Wait::max(raw),
            matrix: Matrix::new(),
            links: Vec::with_capacity(64),
            usage: [0; CLASSES],
            in_use: 0,
            marks: Vec::with_capacity(64),
            contexts: Box::new(std::array::from_fn(|_| Context::new())),
            cursor: Cursor::new(),
            ran: 0,
            changes: 1,
            passed: (0, 0),
            reports: Vec::new(),
        };
        new.declare();
        new
    }

    /// Forgets the program.
    pub fn reset(&mut self) {
        self.matrix.clear();
        self.links.clear();
        for mark in self.marks.drain(..) {
            self.usage[mark.class.at()] = 0;
        }
        self.in_use = 0;
        for c in super::class::classes(self.learned) {
            self.waits[c.at()] = 0;
        }
        self.learned = 0;
        for c in super::class::classes(self.ran as u64) {
            self.contexts[c.at()].clear();
        }
        self.ran = 0;
        (self.changes, self.passed) = (1, (0, 0));
        self.cursor = Cursor::new();
        self.reports.clear();
        self.declare();
    }

    fn declare(&mut self) {
        self.ran |= 1;
        if !self.declared {
            return;
        }
        for (from, to, read, _) in DECLARED {
            let dep = declared::dep(read);
            self.matrix.add(from, to, dep);
            self.links.push(Link { from, to, dep, origin: None });
        }
    }

    /// Ends the program: attaches call sites, by event index, to what refers to them.
    pub fn finish(&mut self, site: &dyn Fn(u32) -> Option<CallSite>) {
        for report in &mut self.reports {
            report.resolve(site);
        }
    }

    /// What was found, in order.
    pub fn reports(&self) -> &[Report] {
        &self.reports
    }

    /// Names of the classes.
    pub fn classes(&self) -> &ClassTable {
        &self.table
    }

    #[inline]
    pub(super) fn context(&self) -> &Context {
        &self.contexts[self.cursor.context()]
    }

    /// For changes: what passed before may not pass now.
    #[inline]
    pub(super) fn context_mut(&mut self) -> &mut Context {
        self.changes += 1;
        &mut self.contexts[self.cursor.context()]
    }

    /// Task `index` runs from here on.
    pub fn switch(&mut self, index: usize) {
        self.cursor.switch(index);
        self.context_runs();
    }

    /// Another context, or another op of it, runs from here on.
    pub(super) fn context_runs(&mut self) {
        self.changes += 1;
        self.ran |= 1 << self.cursor.context();
    }

    /// The place of an event in the running context.
    #[inline]
    pub(super) fn place(&self, index: u32, call: Call) -> Place {
        Place { index, op: self.cursor.op().unwrap_or(NO_OP), task: self.cursor.context() as u8, call }
    }

    /// A lock as the running context takes it.
    #[inline]
    pub(super) fn lock(&self, place: Place, class: Class, read: Read) -> Held {
        let context = self.context();
        Held {
            class,
            read,
            trylock: false,
            through: read == Read::Recursive,
            irqs_before: context.irqs_off,
            irq_context: context.irq_context(),
            strictest: 0,
            place,
        }
    }

    /// Learns what kind of lock one of the tenant's others is.
    #[inline]
    pub(super) fn learn(&mut self, class: Class, wait: Wait) {
        if self.waits[class.at()] == 0 && class.is_tenants() {
            self.waits[class.at()] = wait.number(self.top > Wait::max(false));
            self.learned |= class.bit();
        }
    }

    /// Takes a lock: `lock_acquire()`.
    pub fn acquire(&mut self, index: u32, class: Class, read: Read) {
        let lock = self.lock(self.place(index, Call::Lock), class, read);
        self.take(lock);
    }

    /// Takes a lock without waiting for it: `lock_acquire()` with `trylock`. It may have waited for nothing, so no
    /// dependency leads to it; but whatever is taken under it depends on it.
    pub fn try_acquire(&mut self, index: u32, class: Class, read: Read) {
        let lock = self.lock(self.place(index, Call::Trylock), class, read);
        self.take(Held { trylock: true, through: true, ..lock });
    }

    /// Releases a lock: `lock_release()`.
    pub fn release(&mut self, index: u32, class: Class) {
        if self.put(class).is_none() {
            let place = self.place(index, Call::Unlock);
            self.report_unlock(place, class);
        }
    }

    #[inline]
    pub(super) fn take(&mut self, lock: Held) {
        self.examine(&lock, true);
        self.hold(lock);
    }

    /// Puts a lock that has been examined on the stack.
    #[inline]
    pub(super) fn hold(&mut self, mut lock: Held) {
        let (top, wait) = (self.top, self.waits[lock.class.at()]);
        let context = self.context_mut();
        lock.strictest = stricter(context.strictest(top), wait);
        // A stack that deep is a defect of the tenant that other oracles name; what has no room is not followed.
        context.push(lock);
    }

    /// Takes a lock off the stack.
    #[inline]
    pub(super) fn put(&mut self, class: Class) -> Option<Held> {
        self.changes += 1;
        let (waits, top) = (&self.waits, self.top);
        self.contexts[self.cursor.context()].release(class, |c| waits[c.at()], top)
    }

    /// Memory with a lock of this class in it is freed: `debug_check_no_locks_freed()`.
    pub fn memory_freed(&mut self, index: u32, class: Class) {
        let held = self.context().held().iter().find(|h| h.class == class).copied();
        if let Some(lock) = held {
            let place = self.place(index, Call::Free);
            self.report_freed(place, &lock);
        }
    }

    /// Interrupts come on again: what is held is held with interrupts on. `lockdep_hardirqs_on_prepare()`.
    #[inline]
    pub(super) fn irqs_on(&mut self, place: Place) {
        let context = self.context_mut();
        if !std::mem::take(&mut context.irqs_off) || context.hard_off() {
            return;
        }
        for at in 0..self.context().held().len() {
            let lock = Held { place, trylock: true, ..self.context().held()[at] };
            self.mark_usage(&lock, true);
        }
    }
}
