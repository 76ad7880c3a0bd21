// SPDX-License-Identifier: GPL-2.0-only
//! Follows the events of a run from context to context.

use super::{Row, words};
use percuss_kernel::event::Event;
use percuss_kernel::{CONTEXTS, DRAIN, KSWAPD, WORKER, context_name};
use percuss_program::{Op, Program, op_at};

/// What is known of one context.
#[derive(Default, Clone)]
struct Lane {
    /// Ops it is in: one, and inside it those of shrinkers.
    ops: Vec<u32>,
    /// The row it is at.
    row: Option<usize>,
    /// The row at which it was stopped; the event it goes on with says where that was.
    stopped: Option<usize>,
    last: Option<Event>,
    held: Vec<&'static str>,
}

pub(super) struct Follow<'p> {
    program: &'p Program,
    rows: Vec<Row>,
    current: usize,
    lanes: [Lane; CONTEXTS],
    /// Whose op runs the work item.
    task: usize,
    draining: bool,
}

impl<'p> Follow<'p> {
    pub fn new(program: &'p Program) -> Follow<'p> {
        let lanes = std::array::from_fn(|_| Lane::default());
        Follow { program, rows: Vec::new(), current: 0, lanes, task: 0, draining: false }
    }

    pub fn event(&mut self, e: Event) {
        match e {
            Event::Stopped { reason } => {
                let row = self.lanes[self.current].row.unwrap_or_else(|| self.begin(String::new()));
                self.say_wait(row);
                self.rows[row].notes.push(format!("the program ends here: {}", words::end(reason)));
            }
            _ if self.draining => {}
            Event::Switch { task } => {
                self.leave();
                self.current = usize::from(task);
                return;
            }
            Event::WorkBegin => {
                self.task = std::mem::replace(&mut self.current, WORKER);
                self.lanes[self.task].row = None;
                self.lanes[WORKER] = Lane { ops: self.lanes[self.task].ops.clone(), ..Lane::default() };
                self.begin("runs the work item".to_owned());
            }
            Event::WorkEnd => {
                self.goes_on(e);
                self.lanes[WORKER] = Lane::default();
                self.current = self.task;
            }
            Event::OpBegin { op } => self.op_begins(op),
            Event::OpEnd { op, result } => self.op_ends(op, result),
            // Digests of the state between ops are nobody's.
            _ if self.lanes[self.current].ops.is_empty() && self.current != KSWAPD => {}
            _ => self.within(e),
        }
        self.lanes[self.current].last = Some(e);
    }

    /// The rows, with what is known of those that never went on.
    pub fn finish(mut self) -> Vec<Row> {
        for context in 0..CONTEXTS {
            self.say_where(context, None);
        }
        self.rows
    }

    /// A new row of the running context.
    fn begin(&mut self, what: String) -> usize {
        let lane = &mut self.lanes[self.current];
        let op = lane.ops.last().copied().unwrap_or(DRAIN);
        self.rows.push(Row { context: self.current, op, what, notes: Vec::new() });
        *lane.row.insert(self.rows.len() - 1)
    }

    /// The row of the running context, a new one when it was stopped before; `e` is what it goes on with.
    fn goes_on(&mut self, e: Event) -> usize {
        self.say_where(self.current, Some(e));
        match self.lanes[self.current].row {
            Some(row) => row,
            None => self.begin("goes on".to_owned()),
        }
    }

    fn op_begins(&mut self, op: u32) {
        let shrinks = !self.lanes[self.current].ops.is_empty();
        self.lanes[self.current].ops.push(op);
        let text = match op_at(self.program, op) {
            _ if op == DRAIN => "drain: what is left is freed".to_owned(),
            Some(op) if shrinks => format!("shrinker: {op}"),
            Some(op) => op.to_string(),
            None => "an op".to_owned(),
        };
        self.begin(text);
        self.draining = op == DRAIN;
    }

    fn op_ends(&mut self, op: u32, result: u64) {
        let null = result == 0 && matches!(op_at(self.program, op), Some(Op::Alloc { .. } | Op::SchedProbe { .. }));
        let e = Event::OpEnd { op, result };
        // The work item that it ran says all about it.
        let silent = self.lanes[self.current].last == Some(Event::WorkEnd);
        if null || !silent {
            let row = self.goes_on(e);
            if null {
                self.rows[row].notes.push("gives NULL".to_owned());
            }
        }
        let lane = &mut self.lanes[self.current];
        lane.ops.pop();
        lane.row = None;
    }

    fn within(&mut self, e: Event) {
        let row = match e {
            Event::ReclaimBegin { kswapd: true, .. } => self.begin("frees memory".to_owned()),
            _ => self.goes_on(e),
        };
        let lane = &mut self.lanes[self.current];
        match words::lock(e) {
            Some((name, true)) => lane.held.push(name),
            Some((name, false)) => {
                if let Some(i) = lane.held.iter().rposition(|held| *held == name) {
                    lane.held.remove(i);
                }
            }
            None => {}
        }
        if let Some(note) = words::note(e) {
            self.rows[row].notes.push(note);
        }
        if let Event::ReclaimEnd { .. } = e
            && self.current == KSWAPD
        {
            self.lanes[KSWAPD].row = None;
        }
    }

    /// Another context goes on: whoever ran is stopped, unless it was between two ops.
    fn leave(&mut self) {
        let lane = &mut self.lanes[self.current];
        let Some(row) = lane.row.take() else { return };
        if matches!(lane.last, Some(Event::Retry { .. })) || self.say_wait(row) {
            return;
        }
        self.lanes[self.current].stopped = Some(row);
    }

    /// Says what the running context waits for, if it does.
    fn say_wait(&mut self, row: usize) -> bool {
        let Some(lock) = self.lanes[self.current].last.and_then(words::wait) else { return false };
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
