// SPDX-License-Identifier: GPL-2.0-only
//! Reports as text, in the shape in which the kernel prints them.
//!
//! Addresses are left out: a class has none. Where the kernel prints a stack, a report has the function that was
//! called, its call site if known, and the op of the program.
//!
//! The functions that write a whole report are named after the variants of [`Kind`](super::Kind), whose documentation
//! names the kernel's function for each.

mod circular;
mod irq;
mod single;

use super::class::Class;
use super::place::{NO_OP, Place};
use super::raise::task_name;
use super::report::{Detail, Lock, Report};
use super::usage::{self, Usage};

/// Shows an op of the program, by its number.
///
/// The engine knows ops as numbers only; what they are is the caller's business.
pub type ShowOp<'a> = &'a dyn Fn(u32) -> String;

impl Report {
    /// The whole report, in several lines, each ended by a newline.
    ///
    /// [`Lockdep::finish`](super::Lockdep::finish) must have run for call sites to show.
    pub fn text(&self, op: ShowOp<'_>) -> String {
        // A report has some forty lines.
        let mut page = Page { report: self, op, out: String::with_capacity(2048) };
        match self.detail {
            Detail::Circular { next, prev } => page.circular(&next, &prev),
            Detail::Recursive { next, prev } => page.recursive(&next, &prev),
            Detail::IrqOrder { next, prev, safe, unsafe_, split } => page.irq_order(&next, &prev, safe, unsafe_, split),
            Detail::IrqInversion { lock, other, forwards } => page.irq_inversion(&lock, other, forwards),
            Detail::Inconsistent { lock, old, new } => page.inconsistent(&lock, old, new),
            Detail::InvalidWait { next, context } => page.invalid_wait(&next, context),
            Detail::UnlockBalance { class } => page.unlock_balance(class),
            Detail::HeldLockFreed { lock } => page.held_lock_freed(&lock),
            Detail::LocksHeld => page.locks_held(),
            Detail::SleepInAtomic { irqs_off } => page.sleep_in_atomic(irqs_off),
        }
        page.out
    }
}

/// A report that is being written, line by line as the kernel prints it.
struct Page<'a> {
    report: &'a Report,
    op: ShowOp<'a>,
    out: String,
}

impl Page<'_> {
    fn line(&mut self, line: &str) {
        self.out.push_str(line.trim_end());
        self.out.push('\n');
    }

    /// The box at the top: the headline between rules of its length, and the version of percuss in place of the
    /// kernel's.
    fn head(&mut self) {
        let headline = self.report.headline.clone();
        let len = headline.len();
        // The kernel begins each report with an empty line, too.
        self.line("");
        self.line(&"=".repeat(len));
        self.line(&headline);
        // The kernel prints its version and whether it is tainted here.
        self.line(concat!("percuss-", env!("CARGO_PKG_VERSION"), " #1 Not tainted"));
        self.line(&"-".repeat(len));
    }

    fn name(&self, class: Class) -> &'static str {
        self.report.name(class)
    }

    fn task(&self) -> String {
        task_name(self.report.place.task)
    }

    /// A class as `print_lock_name()` shows it: ` (name){usage}-{outer:inner}`.
    ///
    /// Both wait types are the same here: only a few locks of the kernel have an outer one of their own.
    fn annotated(&self, class: Class) -> String {
        let then = &self.report.then;
        let wait = then.waits[class.at()];
        format!(" ({}){{{}}}-{{{wait}:{wait}}}", self.name(class), usage::chars(then.usage[class.at()]))
    }

    /// A lock as `print_lock()` shows it, without the address of the instance.
    fn lock(&self, lock: &Lock) -> String {
        format!("{}, at: {}", self.annotated(lock.class).trim_start(), self.site(&lock.place))
    }

    /// The call site of an event, or the function that was called if no site is known.
    fn site(&self, place: &Place) -> String {
        match self.report.sites.get(&place.index) {
            Some(s) => format!("{} ({}:{})", s.function, s.file, s.line),
            None => place.call.name().to_owned(),
        }
    }

    /// What stands in for a stack of the kernel: the call, its site, and the op.
    ///
    /// A run has no stack of the caller, since the program is the caller.
    fn trace(&mut self, place: &Place, spaces: usize) {
        let pad = " ".repeat(spaces + 1);
        self.line(&format!("{pad}{}", place.call.name()));
        // Without a site its line would repeat the call.
        if self.report.sites.contains_key(&place.index) {
            self.line(&format!("{pad}{}", self.site(place)));
        }
        let op = if place.op == NO_OP { String::new() } else { format!(", {}", (self.op)(place.op)) };
        self.line(&format!("{pad}{}, event {}{op}", task_name(place.task), place.index));
    }

    fn usage_trace(&mut self, class: Class, usage: Usage, spaces: usize) {
        // The first of its kind, as the kernel keeps one trace for each usage of a class.
        let mark = self.report.then.marks.iter().find(|m| m.class == class && m.usage == usage);
        if let Some(place) = mark.map(|m| m.place) {
            self.trace(&place, spaces);
        }
    }

    /// The locks held, as `lockdep_print_held_locks()` shows them.
    fn held(&mut self) {
        let (report, task) = (self.report, self.task());
        match report.held.len() {
            0 => self.line(&format!("no locks held by {task}.")),
            1 => self.line(&format!("1 lock held by {task}:")),
            n => self.line(&format!("{n} locks held by {task}:")),
        }
        for (n, lock) in report.held.iter().enumerate() {
            let lock = self.lock(lock);
            self.line(&format!(" #{n}: {lock}"));
        }
    }

    fn backtrace(&mut self) {
        self.line("stack backtrace:");
        let place = self.report.place;
        self.trace(&place, 0);
    }

    /// The interrupt state as `HC0[0]:SC0[0]:HE1:SE1`: in hard, in soft interrupt, hard enabled, soft enabled.
    fn irq_state(&self) -> String {
        let irq = self.report.then.irq;
        let (hc, sc) = ((irq.hard > 0) as u8, (irq.soft > 0) as u8);
        let (he, se) = (irq.hard_on as u8, irq.soft_on as u8);
        format!("[HC{hc}[{}]:SC{sc}[{}]:HE{he}:SE{se}]", irq.hard, irq.soft)
    }

    fn deadlock(&mut self) {
        self.line("");
        self.line(" *** DEADLOCK ***");
        self.line("");
    }

    /// A line in the left column of the scenario of two CPUs, at the kernel's indentation.
    fn cpu0(&mut self, what: &str) {
        self.line(&format!("  {what};"));
    }

    fn cpu1(&mut self, what: &str) {
        // The kernel's column for the second CPU.
        self.line(&format!("{:31}{what};", ""));
    }

    fn chain_exists(&mut self, names: [Class; 3]) {
        let [a, b, c] = names.map(|n| self.name(n));
        self.line("Chain exists of:");
        self.line(&format!("  {a} --> {b} --> {c}"));
        self.line("");
    }

    fn two_cpus(&mut self, heading: &str) {
        self.line(heading);
        self.line("");
        self.line("       CPU0                    CPU1");
        self.line("       ----                    ----");
    }
}
