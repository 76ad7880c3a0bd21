// SPDX-License-Identifier: GPL-2.0-only
//! The core of the engine: taking and releasing locks in a context, and the state that the checks need.

use super::class::{CLASSES, Class, ClassDef, ClassTable, Wait};
use super::context::{Context, Held, stricter};
use super::declared::{self, DECLARED};
use super::matrix::{Matrix, Read};
use super::place::{Call, NO_OP, Place};
use super::report::{CallSite, Link, Mark, Report};
use super::usage::Usages;
use percuss_kernel::{CONTEXTS, Cursor};

/// What an engine checks, and of which classes.
///
/// The default is what runs use: a kernel without PREEMPT_RT, with the declared dependencies, and no classes of the
/// caller's own.
#[derive(Clone, Debug)]
pub struct Options {
    /// As with CONFIG_PROVE_RAW_LOCK_NESTING: a `spinlock_t` must not be taken under a `raw_spinlock_t`.
    ///
    /// Off by default, as in kernels without PREEMPT_RT.
    pub raw_lock_nesting: bool,
    /// The declared dependencies of reclaim hold.
    ///
    /// Tests of single rules turn it off.
    pub declared: bool,
    /// Classes of the caller's own. They are numbered after the fixed ones and found by [`ClassTable::find`].
    pub extra: Vec<ClassDef>,
}

impl Default for Options {
    fn default() -> Options {
        Options { raw_lock_nesting: false, declared: true, extra: Vec::new() }
    }
}

/// A lock-order engine: feed it the events of one program, call [`Lockdep::finish`], read the reports, reset it.
///
/// An engine is meant to be reused: a reset costs as much as the program before used, and allocates nothing.
#[derive(Debug)]
pub struct Lockdep {
    pub(super) table: ClassTable,
    pub(super) declared: bool,
    /// Wait type of each class as a number.
    ///
    /// Those of the tenant's other locks are learned at their first use; 0 until then.
    pub(super) waits: [u8; CLASSES],
    learned: u64,
    pub(super) top: u8,
    pub(super) matrix: Matrix,
    pub(super) links: Vec<Link>,
    pub(super) usage: [Usages; CLASSES],
    /// Union of the usages of all classes.
    ///
    /// Most programs have no interrupts, and this answers at once that nothing conflicts.
    pub(super) in_use: Usages,
    pub(super) marks: Vec<Mark>,
    contexts: Box<[Context; CONTEXTS]>,
    pub(super) cursor: Cursor,
    /// Set of the contexts that ran, which a reset has to clear.
    ran: u32,
    /// Number that grows with every change of what a check depends on: locks held, interrupts, the running task.
    ///
    /// It starts at 1, so that `passed` can start with a number that matches no state.
    pub(super) changes: u32,
    /// Value of `changes` and mask of the last allocation that was checked.
    ///
    /// Until something changes, its like is not checked again.
    pub(super) passed: (u32, u32),
    pub(super) reports: Vec<Report>,
}

impl Lockdep {
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
            // The tables of links and marks keep their memory over resets; 64 is more than most programs make.
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

    /// Forgets the program, and keeps the classes and options.
    ///
    /// Afterwards the engine is equal to a new one; [`Lockdep::run`] relies on that.
    pub fn reset(&mut self) {
        self.matrix.clear();
        self.links.clear();
        // Only what was marked is cleared: the tables are larger than what a program uses.
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
        // Context 0 runs first, without an event that says so.
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

    /// Ends the program: `site` gives the call site of an event by its index, which the reports then keep.
    ///
    /// Needed only before reports are printed.
    pub fn finish(&mut self, site: &dyn Fn(u32) -> Option<CallSite>) {
        for report in &mut self.reports {
            report.resolve(site);
        }
    }

    /// The reports of the program, in the order of events.
    ///
    /// Each title occurs once.
    pub fn reports(&self) -> &[Report] {
        &self.reports
    }

    pub fn classes(&self) -> &ClassTable {
        &self.table
    }

    #[inline]
    pub(super) fn context(&self) -> &Context {
        &self.contexts[self.cursor.context()]
    }

    /// The running context, to be changed.
    ///
    /// Every allocation that was checked in the old state counts as unchecked from here on.
    #[inline]
    pub(super) fn context_mut(&mut self) -> &mut Context {
        self.changes += 1;
        &mut self.contexts[self.cursor.context()]
    }

    /// Makes context `index` the running one.
    ///
    /// For users that feed locks directly; events of a run switch by themselves.
    pub fn switch(&mut self, index: usize) {
        self.cursor.switch(index);
        self.context_runs();
    }

    /// Takes note that another context, or another op of it, runs from here on.
    ///
    /// The cursor has moved already when this is called.
    pub(super) fn context_runs(&mut self) {
        self.changes += 1;
        self.ran |= 1 << self.cursor.context();
    }

    #[inline]
    pub(super) fn place(&self, index: u32, call: Call) -> Place {
        Place { index, op: self.cursor.op().unwrap_or(NO_OP), task: self.cursor.context() as u8, call }
    }

    /// A lock as the running context would hold it, neither examined nor pushed yet.
    ///
    /// Callers set `trylock` afterwards where it applies; [`Lockdep::hold`] computes `strictest`.
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

    /// Learns the wait type of one of the tenant's other locks from the function that took it first.
    ///
    /// `mutex_lock()` means that it sleeps, `spin_lock()` that it spins. The classes with a name have theirs from the
    /// table.
    #[inline]
    pub(super) fn learn(&mut self, class: Class, wait: Wait) {
        if self.waits[class.at()] == 0 && class.is_tenants() {
            self.waits[class.at()] = wait.number(self.top > Wait::max(false));
            self.learned |= class.bit();
        }
    }

    /// Takes a lock, waiting for it (`lock_acquire()`).
    ///
    /// `index` is the number of the event in the log, which reports show and call sites are looked up by.
    pub fn acquire(&mut self, index: u32, class: Class, read: Read) {
        let lock = self.lock(self.place(index, Call::Lock), class, read);
        self.take(lock);
    }

    /// Takes a lock without waiting for it (`lock_acquire()` with `trylock`).
    ///
    /// As it waits for nothing, no dependency leads to it; but what is taken with it held depends on it.
    pub fn try_acquire(&mut self, index: u32, class: Class, read: Read) {
        let lock = self.lock(self.place(index, Call::Trylock), class, read);
        self.take(Held { trylock: true, through: true, ..lock });
    }

    /// Releases the topmost lock of a class (`lock_release()`), and reports it if none is held.
    pub fn release(&mut self, index: u32, class: Class) {
        if self.put(class).is_none() {
            let place = self.place(index, Call::Unlock);
            self.report_unlock(place, class);
        }
    }

    #[inline]
    pub(super) fn take(&mut self, lock: Held) {
        // Examined before it is pushed: the checks compare it with the locks held, of which it is not yet one.
        self.examine(&lock, true);
        self.hold(lock);
    }

    #[inline]
    pub(super) fn hold(&mut self, mut lock: Held) {
        let (top, wait) = (self.top, self.waits[lock.class.at()]);
        let context = self.context_mut();
        lock.strictest = stricter(context.strictest(top), wait);
        // A deeper stack is a defect of the tenant that other oracles report. Locks without room are not followed.
        context.push(lock);
    }

    #[inline]
    pub(super) fn put(&mut self, class: Class) -> Option<Held> {
        // Not `context_mut()`: the wait types are borrowed from another field at the same time.
        self.changes += 1;
        let (waits, top) = (&self.waits, self.top);
        self.contexts[self.cursor.context()].release(class, |c| waits[c.at()], top)
    }

    /// Memory with a lock of this class in it is freed; reports it if the lock is held
    /// (`debug_check_no_locks_freed()`).
    pub fn memory_freed(&mut self, index: u32, class: Class) {
        let held = self.context().held().iter().find(|h| h.class == class).copied();
        if let Some(lock) = held {
            let place = self.place(index, Call::Free);
            self.report_freed(place, &lock);
        }
    }

    /// Turns interrupts on (`lockdep_hardirqs_on_prepare()`).
    ///
    /// The locks held are held with interrupts enabled from here on, which conflicts with a handler that takes one of
    /// them.
    #[inline]
    pub(super) fn irqs_on(&mut self, place: Place) {
        let context = self.context_mut();
        // Nothing changes if they were on, and a hard interrupt keeps them off until it returns.
        if !std::mem::take(&mut context.irqs_off) || context.hard_off() {
            return;
        }
        for at in 0..self.context().held().len() {
            // As trylocks, so that only "enabled" usages are added: taking them in an interrupt was marked before.
            let lock = Held { place, trylock: true, ..self.context().held()[at] };
            self.mark_usage(&lock, true);
        }
    }
}
