// SPDX-License-Identifier: GPL-2.0-only
//! Follows the events of a run from context to context.
//!
//! Where a context was stopped can often be said only when it goes on: "before the lock of pcpu_lock" is known from the
//! event it goes on with. So a row that was stopped gets its note later, when its context runs again.

use super::{Stretch, words};
use percuss_kernel::event::{Event, LockMove};
use percuss_kernel::{CONTEXTS, Cursor, DRAIN, OpOwner, context_name, events, op_owner};
use percuss_program::{Op, Program, op_at};

#[derive(Default, Clone)]
struct Lane {
    // The row it is at; None between two ops and once it was stopped.
    row: Option<usize>,
    // The row at which it was stopped, until its note is written.
    stopped: Option<usize>,
    last: Option<Event>,
    held: Vec<&'static str>,
}

/// Makes the rows of an interleaving, event by event. Feed it all events with [`Follow::event`], then take the rows
/// from [`Follow::finish`].
pub(super) struct Follow<'p> {
    program: &'p Program,
    cursor: Cursor,
    rows: Vec<Stretch>,
    lanes: [Lane; CONTEXTS],
    // The drain has begun. It is one row: from there on only the end of the program is of interest.
    draining: bool,
}

impl<'p> Follow<'p> {
    pub fn new(program: &'p Program) -> Follow<'p> {
        let lanes = std::array::from_fn(|_| Lane::default());
        Follow { program, cursor: Cursor::new(), rows: Vec::new(), lanes, draining: false }
    }

    pub fn event(&mut self, e: Event) {
        match e {
            Event::Stopped { reason } => {
                // A program may end between two ops of the running context, which then has no row to note it in.
                let row = self.lane().row.unwrap_or_else(|| self.begin(String::new()));
                // The last context may wait for a lock, which is what the reader of a deadlock wants to see.
                self.say_wait(row);
                self.rows[row].notes.push(format!("the program ends here: {}", words::end(reason)));
            }
            _ if self.draining => {}
            Event::Switch { .. } => {
                self.leave();
                // A switch is an event of no row.
                self.cursor.advance(&e);
                return;
            }
            Event::WorkBegin => {
                self.lane().row = None;
                self.cursor.advance(&e);
                *self.lane() = Lane::default();
                self.begin("runs the work item".to_owned());
            }
            Event::WorkEnd => {
                self.goes_on(e);
                *self.lane() = Lane::default();
                self.cursor.advance(&e);
            }
            Event::OpBegin { op } => {
                self.cursor.advance(&e);
                self.op_begins(op);
            }
            Event::OpEnd { op, result } => {
                self.op_ends(op, result);
                self.cursor.advance(&e);
            }
            Event::Boot { .. } | Event::State { .. } => self.within(e),
            events!(locks | context | requests | releases | services | reclaim | traces | defects) => self.within(e),
        }
        self.lane().last = Some(e);
    }

    /// The rows, with what is known of contexts that were stopped and never went on.
    pub fn finish(mut self) -> Vec<Stretch> {
        for context in 0..CONTEXTS {
            self.say_where(context, None);
        }
        self.rows
    }

    fn lane(&mut self) -> &mut Lane {
        &mut self.lanes[self.cursor.context()]
    }

    /// A new row of the running context, which is at it from here on.
    fn begin(&mut self, what: String) -> usize {
        let (context, op) = (self.cursor.context(), self.cursor.running().unwrap_or(DRAIN));
        // Notes come later, when it is known what became of it.
        self.rows.push(Stretch { context, op, what, notes: Vec::new() });
        *self.lanes[context].row.insert(self.rows.len() - 1)
    }

    /// The row of the running context, a new one when it was stopped before; `e` is what it goes on with.
    fn goes_on(&mut self, e: Event) -> usize {
        // First the row that was stopped gets its note, since `e` says where that was.
        self.say_where(self.cursor.context(), Some(e));
        match self.lane().row {
            Some(row) => row,
            None => self.begin("goes on".to_owned()),
        }
    }

    fn op_begins(&mut self, op: u32) {
        let text = op_at(self.program, op).map_or_else(|| "an op".to_owned(), |op| op.to_string());
        let text = match op_owner(op) {
            OpOwner::Task(_) => text,
            OpOwner::Shrinker(_) => format!("shrinker: {text}"),
            OpOwner::Handler(handler) => {
                let hard = self.program.handlers.get(handler).is_some_and(|h| h.hard);
                format!("{} interrupt: {text}", if hard { "hard" } else { "soft" })
            }
            OpOwner::Drain => "drain: what is left is freed".to_owned(),
        };
        self.begin(text);
        // Set after the row is begun, for the drain has one.
        self.draining = op == DRAIN;
    }

    fn op_ends(&mut self, op: u32, result: u64) {
        // For other ops 0 is an ordinary result.
        let null = result == 0 && matches!(op_at(self.program, op), Some(Op::Alloc { .. } | Op::SchedProbe { .. }));
        let e = Event::OpEnd { op, result };
        // The work item that it ran says all about it.
        let silent = self.lane().last == Some(Event::WorkEnd);
        if null || !silent {
            let row = self.goes_on(e);
            if null {
                self.rows[row].notes.push("gives NULL".to_owned());
            }
        }
        self.lane().row = None;
    }

    fn within(&mut self, e: Event) {
        // What happens between two ops, such as the digest of the state, is no task's. kswapd is in no op when it
        // frees.
        if self.cursor.running().is_none() && !self.cursor.in_kswapd() {
            return;
        }
        let wakes = matches!(e, Event::ReclaimBegin { kswapd: true, .. });
        // kswapd has no ops, so what it does between two waits is a row.
        let row = if wakes { self.begin("frees memory".to_owned()) } else { self.goes_on(e) };
        let lane = self.lane();
        match e.lock() {
            Some((LockMove::Takes, name)) => lane.held.push(name),
            Some((LockMove::Releases, name)) => {
                if let Some(i) = lane.held.iter().rposition(|held| *held == name) {
                    lane.held.remove(i);
                }
            }
            Some((LockMove::Waits | LockMove::GivesUp, _)) | None => {}
        }
        if let Some(note) = words::note(e) {
            self.rows[row].notes.push(note);
        }
        if matches!(e, Event::ReclaimEnd { .. }) && self.cursor.in_kswapd() {
            self.lane().row = None;
        }
    }

    /// Another context goes on: the running one is stopped, unless it was between two ops.
    fn leave(&mut self) {
        let lane = self.lane();
        let Some(row) = lane.row.take() else { return };
        // A task that waits, for memory or for a lock, was not preempted: its note says already why it stopped.
        if matches!(lane.last, Some(Event::Retry { .. })) || self.say_wait(row) {
            return;
        }
        self.lane().stopped = Some(row);
    }

    fn say_wait(&mut self, row: usize) -> bool {
        let Some(lock) = self.lane().last.and_then(words::wait) else { return false };
        let owner = (0..CONTEXTS).find(|c| self.lanes[*c].held.contains(&lock));
        let owner = owner.map_or(String::new(), |c| format!(" of {}", context_name(c)));
        self.rows[row].notes.push(format!("waits for {lock}{owner}"));
        true
    }

    /// Says where a context was stopped, once it goes on with `next`, or never does.
    fn say_where(&mut self, context: usize, next: Option<Event>) {
        let lane = &mut self.lanes[context];
        let Some(row) = lane.stopped.take() else { return };
        let held = if lane.held.is_empty() { String::new() } else { format!(", holding {}", lane.held.join(", ")) };
        self.rows[row].notes.push(format!("preempted {}{held}", words::place(lane.last, next)));
    }
}
