// SPDX-License-Identifier: GPL-2.0-only
//! What an oracle is asked, when, and what it may look at.

use std::cell::RefCell;

use percuss_kernel::event::Event;
use percuss_kernel::{ChunkView, Cursor, DRAIN, Globals, Tenant, UnlockedChange};
use percuss_lockdep::Report;
use percuss_program::{Op, Program, op_at};
use percuss_world::Host;
use percuss_world::log::Log;
use percuss_world::sample::Contents;

use crate::wrong::ContentError;
use crate::{Finding, OracleKind};

/// An oracle: a rule, and what it has to remember to judge by it. [`Bench`](crate::Bench) asks; an oracle answers those
/// questions that concern it and leaves the others to the defaults, which do nothing.
///
/// For each program the questions come in this order:
///
/// 1. [`start`](Oracle::start), once, before anything runs.
/// 2. While the program runs: [`released`](Oracle::released) whenever pcpu_lock is about to be released, once for each
///    chunk touched since the last time, and [`op_ended`](Oracle::op_ended) after each op and after the drain.
/// 3. After it ran, on the finished log: [`event`](Oracle::event) for every event in order, then
///    [`lock_report`](Oracle::lock_report) for every report of the lock-order engine.
/// 4. [`run_ended`](Oracle::run_ended), however the program ended; then [`drained`](Oracle::drained), only if it came
///    to its end and everything was freed.
///
/// Questions of 3 depend on nothing but the program and its log: the same events give the same findings, on the image
/// and on the Model. Questions of 2 and 4 are about state, and are asked only of oracles that are switched on and whose
/// row names this run's tenant.
///
/// The image is asked every time. The Model is asked questions of 3 and 4 only when a finding is to be accounted for.
pub trait Oracle {
    /// Another program: forget the last one. An oracle is kept from program to program, and what it remembers of one
    /// would make the findings of the next depend on their order.
    fn start(&mut self) {}

    /// A chunk was touched, and pcpu_lock, still held, is about to be released. The tenant is in the middle of a call:
    /// look at nothing else, and change nothing.
    fn released(&mut self, _host: &Host, _globals: &Globals, _chunk: &ChunkView<'_>) {}

    /// When pcpu_lock was taken, something that it protects was not as at the release before. Asked at the next release,
    /// under the same conditions, and of the image alone.
    fn changed_unlocked(&mut self, _host: &Host, _change: &UnlockedChange) {}

    /// An op ended, or the drain (`op == DRAIN`). The running task is outside the allocator; another one may be
    /// preempted in it, and then holds pcpu_lock if the state is not whole.
    fn op_ended(&mut self, _scene: &Scene<'_>, _op: u32) {}

    /// The next event of the log. `at` has advanced past it, so an event that begins an op belongs to that op. Asked
    /// for every event of every program: match all variants without a wildcard, so that a new event is thought of.
    fn event(&mut self, _at: &Moment<'_>, _event: &Event, _found: &mut Vec<Finding>) {}

    /// The next report of the lock-order engine, which has read the whole log. Each report belongs to exactly one
    /// oracle.
    fn lock_report(&mut self, _program: &Program, _report: &Report, _found: &mut Vec<Finding>) {}

    /// The program is over, for whatever reason. The state may be that in the middle of a call, if it was stopped
    /// there.
    fn run_ended(&mut self, _scene: &Scene<'_>, _found: &mut Vec<Finding>) {}

    /// The program is over, everything it allocated is freed, and the worker is idle.
    fn drained(&mut self, _scene: &Scene<'_>, _found: &mut Vec<Finding>) {}
}

/// What an oracle may look at while a program runs and when it has ended. It is made anew for each question, and
/// nothing in it may be kept.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    pub program: &'a Program,
    /// The World. Borrow it for a statement: a tenant that is looked at may ask the World too.
    pub host: &'a Host,
    /// The allocator. A visit to [`Touched::Recent`](percuss_kernel::Touched) chunks forgets which they are, so at most
    /// one oracle of a tenant does.
    pub tenant: &'a dyn Tenant,
    /// Pages of one unit of the first chunk, which are populated from boot on.
    pub first_pages: u64,
    /// How closely contents are looked at in this run. Ignored, nothing was written to them and nothing can be judged.
    pub contents: Contents,
    /// What the runner found wrong in per-CPU memory: index of the next event, op, error.
    pub wrong: &'a RefCell<Vec<(usize, u32, ContentError)>>,
    /// Metadata objects that a chunk has for its object cgroups: 1 where the tree accounts to them, else 0.
    pub objcg_objects: u32,
    /// The program came to its end, and the drain after it.
    pub whole: bool,
}

/// An event's place: what runs when it happens.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    pub program: &'a Program,
    /// Context and op, the event included.
    pub cursor: &'a Cursor,
    pub log: &'a Log,
    pub index: usize,
}

impl Moment<'_> {
    /// The op that the event belongs to; the first one during boot, which no op runs. A finding needs an op to be shown
    /// at.
    #[inline]
    pub fn op(&self) -> u32 {
        self.cursor.op().unwrap_or(0)
    }

    /// The kernel function that runs, for titles: the worker's whenever it runs, whichever op queued the work.
    pub fn function(&self) -> &'static str {
        // The worker runs for the op that queued its work, and that op's function is not what runs.
        if self.cursor.in_worker() { "pcpu_balance_workfn" } else { function(self.program, self.op()) }
    }

    /// A finding about the event, shown with the text of its message if it has one. The text is in the detail alone,
    /// for it may have addresses in it.
    pub fn finding(&self, oracle: OracleKind, event: &Event, title: impl Into<String>) -> Finding {
        // Only messages have a text.
        let text = self.log.text_of(self.index).unwrap_or_default();
        Finding::new(oracle, self.op(), title, format!("{event:x?} {text}").trim().to_owned()).at(self.index)
    }
}

/// The kernel function an op enters, for titles. The drain enters two, and which of them ran is not recorded.
pub fn function(program: &Program, op: u32) -> &'static str {
    match op_at(program, op) {
        Some(Op::Alloc { .. } | Op::SchedProbe { .. }) => "pcpu_alloc",
        Some(Op::Free { .. }) => "free_percpu",
        Some(Op::Balance) => "pcpu_balance_workfn",
        Some(Op::IsStatic { .. }) => "is_kernel_percpu_address",
        Some(Op::Phys { .. }) => "per_cpu_ptr_to_phys",
        _ if op == DRAIN => "free_percpu or pcpu_balance_workfn",
        _ => "percpu",
    }
}
