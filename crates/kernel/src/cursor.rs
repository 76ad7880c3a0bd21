// SPDX-License-Identifier: GPL-2.0-only
//! The one reader of an event stream: which context runs, in which op, inside which other ops, and whether the worker
//! is on.
//!
//! An event does not name its context or its op; both follow from the events before it. Everything that needs them
//! (oracles, the lock-order engine, the audit, the interleaving view) feeds each event to a [`Cursor`] and asks that,
//! so that a report of one and a report of another agree about where an event happened.

use crate::event::Event;
use crate::{CONTEXTS, KSWAPD, WORKER, events, op_is_nested};

/// Ops that can run inside another one at the same time: one of a shrinker, one of a soft and one of a hard interrupt
/// handler, since reclaim does not recurse and an interrupt is not interrupted by its like. One more is kept for
/// streams that break this rule; ops nested deeper than that are counted, not named.
const NESTED: usize = 4;

#[derive(Clone, Copy, Debug, Default)]
struct Begun {
    op: u32,
    at: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Lane {
    /// The op of the task's own that runs, or ran last; None before the first.
    own: Option<Begun>,
    // `own` has not ended.
    busy: bool,
    /// Ops of shrinkers and handlers that run on top of it, the innermost last.
    nested: [Begun; NESTED],
    depth: u8,
    // A count, though reclaim does not recurse in the kernel: a tenant's stream is read as it comes.
    reclaims: u8,
}

/// A place in an event stream. Feed it each event in order; after [`Cursor::advance`] it answers for the moment right
/// after that event.
///
/// An event belongs to the context and op that the cursor names before *or* after it, except where the two differ:
/// [`Event::OpEnd`] and [`Event::WorkEnd`] belong to what they end, so ask before. [`Event::Switch`],
/// [`Event::OpBegin`] and [`Event::WorkBegin`] belong to what they start, so ask after.
#[derive(Clone, Debug)]
pub struct Cursor {
    // Index of the next event, for callers that do not number events themselves.
    next: u32,
    context: usize,
    /// The context that runs the work item while the worker is on. There is one work item, and it does not run twice
    /// at once, so one place to go back to is enough.
    host: usize,
    working: bool,
    booted: bool,
    lanes: [Lane; CONTEXTS],
}

impl Default for Cursor {
    fn default() -> Cursor {
        Cursor::new()
    }
}

impl Cursor {
    /// Before the first event: task 0 runs, in no op.
    pub fn new() -> Cursor {
        // Boot calls the kernel before the first op, as task 0.
        let lanes = [Lane::default(); CONTEXTS];
        Cursor { next: 0, context: 0, host: 0, working: false, booted: false, lanes }
    }

    /// The place after all of these events.
    ///
    /// For one question about a log; a caller that asks at many events keeps a cursor and advances it.
    pub fn after(events: &[Event]) -> Cursor {
        let mut cursor = Cursor::new();
        events.iter().for_each(|e| cursor.advance(e));
        cursor
    }

    /// Takes note of the next event. To be called for every event of the log, in order.
    #[inline]
    pub fn advance(&mut self, event: &Event) {
        self.advance_at(self.next, event);
    }

    /// Does the same for callers that number events themselves; [`Cursor::began`] then answers in their numbers.
    #[inline]
    pub fn advance_at(&mut self, index: u32, event: &Event) {
        // A log is shorter than the index can count, but callers may pass any number.
        self.next = index.wrapping_add(1);
        match *event {
            Event::Switch { task } => self.switch(usize::from(task)),
            Event::OpBegin { op } => self.op_begins(op, index),
            Event::OpEnd { op, .. } => self.op_ends(op),
            Event::WorkBegin => self.work_begins(),
            Event::WorkEnd => self.work_ends(),
            Event::ReclaimBegin { .. } => self.lane_mut().reclaims = self.lane().reclaims.saturating_add(1),
            Event::ReclaimEnd { .. } => self.lane_mut().reclaims = self.lane().reclaims.saturating_sub(1),
            Event::Boot { .. } | Event::State { .. } | Event::Stopped { .. } => {}
            // A memory event changes neither context nor op.
            // The ops of a shrinker say that it runs; one without ops does nothing.
            Event::ShrinkBegin { .. } | Event::ShrinkEnd { .. } => {}
            Event::WakeKswapd | Event::Retry { .. } | Event::OomKill { .. } | Event::NoMemory { .. } => {}
            events!(locks | context | requests | releases | services | traces | defects) => {}
        }
    }

    /// A context runs from here on, as [`Event::Switch`] says it. What is no context counts as the last one, so that a
    /// stream from a broken tenant cannot make the reader panic.
    #[inline]
    pub fn switch(&mut self, context: usize) {
        self.context = context.min(CONTEXTS - 1);
    }

    #[inline]
    fn op_begins(&mut self, op: u32, at: u32) {
        self.booted = true;
        let lane = self.lane_mut();
        if op_is_nested(op) {
            if let Some(slot) = lane.nested.get_mut(usize::from(lane.depth)) {
                *slot = Begun { op, at };
            }
            lane.depth = lane.depth.saturating_add(1);
        } else {
            // Nothing can be left on top of an op that begins: what was there was abandoned.
            (lane.own, lane.busy, lane.depth) = (Some(Begun { op, at }), true, 0);
        }
    }

    #[inline]
    fn op_ends(&mut self, op: u32) {
        let lane = self.lane_mut();
        if op_is_nested(op) {
            // The number of the op is not compared: ops end in the reverse order of their beginnings.
            lane.depth = lane.depth.saturating_sub(1);
        } else {
            lane.busy = false;
        }
    }

    // The worker runs the work item for the op of the context that ran: what goes wrong there is reported for that op.
    fn work_begins(&mut self) {
        let (own, busy) = (self.innermost(), self.running().is_some());
        // No `Switch` event follows, so the place to return to is kept here.
        self.host = std::mem::replace(&mut self.context, WORKER);
        self.working = true;
        // What an earlier work item left is over, even if it was abandoned.
        self.lanes[WORKER] = Lane { own, busy, ..Lane::default() };
    }

    fn work_ends(&mut self) {
        self.lanes[WORKER].busy = false;
        self.working = false;
        self.context = self.host;
    }

    #[inline]
    fn lane(&self) -> &Lane {
        &self.lanes[self.context]
    }

    #[inline]
    fn lane_mut(&mut self) -> &mut Lane {
        &mut self.lanes[self.context]
    }

    // The innermost op of the running context that can be named.
    #[inline]
    fn innermost(&self) -> Option<Begun> {
        let lane = self.lane();
        match usize::from(lane.depth).min(NESTED) {
            0 => lane.own,
            depth => Some(lane.nested[depth - 1]),
        }
    }

    /// Takes note of the next event, and says which context and op it belongs to.
    ///
    /// That is the place before an event that ends something, else the place after it. The op is what [`Cursor::op`]
    /// answers there.
    pub fn advance_to(&mut self, event: &Event) -> (usize, Option<u32>) {
        // Asked before as well, since after an end the cursor has left what ended.
        let before = (self.context, self.op());
        self.advance(event);
        if matches!(event, Event::OpEnd { .. } | Event::WorkEnd) { before } else { (self.context, self.op()) }
    }

    #[inline]
    pub fn context(&self) -> usize {
        self.context
    }

    /// The running context is the worker, or a handler that interrupts it.
    #[inline]
    pub fn in_worker(&self) -> bool {
        self.context == WORKER
    }

    #[inline]
    pub fn in_kswapd(&self) -> bool {
        self.context == KSWAPD
    }

    /// The worker is on: its work item has begun and not ended, whichever context runs now. Gives the context that
    /// goes on when it ends.
    pub fn worker_host(&self) -> Option<usize> {
        self.working.then_some(self.host)
    }

    /// The op that the running context is in, or was in last; None when it was in none yet. For the worker, that is
    /// the op that made the work item run.
    ///
    /// What happens between two ops, such as the check of the whole state, is thereby the earlier op's.
    #[inline]
    pub fn op(&self) -> Option<u32> {
        self.innermost().map(|begun| begun.op)
    }

    #[inline]
    pub fn running(&self) -> Option<u32> {
        let lane = self.lane();
        if lane.busy || lane.depth > 0 { self.op() } else { None }
    }

    /// Index of the event with which [`Cursor::op`] began; 0 when there is none.
    ///
    /// Locks that were taken after it are the op's own, those before belong to what it interrupts.
    #[inline]
    pub fn began(&self) -> u32 {
        self.innermost().map_or(0, |begun| begun.at)
    }

    /// Ops that the running op runs inside of, the innermost first: that of a task which reclaims or was interrupted,
    /// or that of a shrinker which was interrupted.
    pub fn outer(&self) -> impl Iterator<Item = u32> + '_ {
        let lane = self.lane();
        let nested = &lane.nested[..usize::from(lane.depth).saturating_sub(1).min(NESTED)];
        // Between two ops a handler runs inside of no op, though the task's last one is still known.
        let own = lane.own.filter(|_| lane.busy && lane.depth > 0);
        nested.iter().rev().copied().chain(own).map(|begun| begun.op)
    }

    #[inline]
    pub fn booted(&self) -> bool {
        self.booted
    }

    /// The running context reclaims memory, directly or as kswapd, so its allocations never reclaim (PF_MEMALLOC).
    #[inline]
    pub fn reclaims(&self) -> bool {
        self.lane().reclaims > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gfp::Gfp;
    use crate::{limits, op_number};

    const SHRINKER: usize = limits::TASKS;
    const HANDLER: usize = limits::TASKS + limits::SHRINKERS;

    fn begin(op: u32) -> Event {
        Event::OpBegin { op }
    }

    fn end(op: u32) -> Event {
        Event::OpEnd { op, result: 0 }
    }

    #[test]
    fn nested_ops_end_in_the_one_around_them() {
        // The deepest nesting that a program can have, but for a soft interrupt in between.
        let [own, shrinker, handler] = [0, SHRINKER, HANDLER].map(|owner| op_number(owner, 3));
        let reclaim = Event::ReclaimBegin { gfp: Gfp::KERNEL, kswapd: false };
        let mut cursor = Cursor::after(&[begin(own), reclaim, begin(shrinker), begin(handler)]);
        assert_eq!((cursor.running(), cursor.began(), cursor.reclaims()), (Some(handler), 3, true));
        assert_eq!(cursor.outer().collect::<Vec<_>>(), [shrinker, own]);
        assert_eq!(cursor.advance_to(&end(handler)), (0, Some(handler)), "the end is its own");
        assert_eq!((cursor.running(), cursor.began()), (Some(shrinker), 2));
        cursor.advance(&end(shrinker));
        assert_eq!((cursor.running(), cursor.outer().next()), (Some(own), None));
        cursor.advance(&end(own));
        assert_eq!((cursor.running(), cursor.op()), (None, Some(own)), "what follows is still the op's");
        cursor.advance(&begin(handler));
        assert_eq!((cursor.running(), cursor.outer().next()), (Some(handler), None), "between two ops it is in none");
        cursor.advance(&end(handler));
        assert_eq!((cursor.running(), cursor.op()), (None, Some(own)));
    }

    #[test]
    fn the_worker_stays_on_while_others_run() {
        // While the work item sleeps other tasks run, and their events must not count as the worker's.
        let own = op_number(1, 0);
        let mut cursor = Cursor::after(&[Event::Switch { task: 1 }, begin(own), Event::WorkBegin]);
        assert_eq!((cursor.context(), cursor.worker_host(), cursor.running()), (WORKER, Some(1), Some(own)));
        cursor.advance(&Event::Switch { task: 0 });
        assert_eq!((cursor.context(), cursor.worker_host(), cursor.op()), (0, Some(1), None));
        cursor.advance(&Event::Switch { task: WORKER as u8 });
        assert_eq!(cursor.advance_to(&Event::WorkEnd), (WORKER, Some(own)));
        assert_eq!((cursor.context(), cursor.worker_host(), cursor.running()), (1, None, Some(own)));
    }

    #[test]
    fn streams_of_broken_tenants_do_no_harm() {
        // An end without a beginning, a context that does not exist, and more nesting than can be named.
        let handler = op_number(HANDLER, 0);
        let mut cursor = Cursor::after(&[Event::Switch { task: 200 }, end(handler), Event::ReclaimEnd { freed: 0 }]);
        assert_eq!((cursor.context(), cursor.op()), (CONTEXTS - 1, None));
        (0..300).for_each(|_| cursor.advance(&begin(handler)));
        assert_eq!((cursor.running(), cursor.outer().count()), (Some(handler), NESTED));
    }
}
