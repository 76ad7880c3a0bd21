// SPDX-License-Identifier: GPL-2.0-only
//! Whose turn it is: which lanes can run, and which one runs when a schedule names one that cannot.
//!
//! Any schedule is valid for any program: a turn that cannot be taken as it is falls to another lane by fixed rules. So
//! mutation and minimization may change ops and turns independently, and a replay is exact.

use percuss_kernel::limits;
use percuss_program::Turn;
use percuss_world::fiber::Pause;

/// How far a lane has come: the ops that ended, and the scheduling points since. Ordered as the lane comes to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct OpPosition {
    /// Ops that ended; kswapd has none.
    pub op: u32,
    /// Scheduling points passed in the op it is in.
    pub point: u64,
}

/// Where a turn ended. Turns of one lane that follow each other count as one. Unlike a [`Turn`], which counts points,
/// this still means the same place when an earlier op changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnEnd {
    /// The task by index, or [`Turn::KSWAPD`].
    pub lane: u8,
    pub place: OpPosition,
    /// The lane could not go on: it waits, or has ended.
    pub waits: bool,
    /// The turn was that of a handler, fired on top of the lane.
    pub fires: Option<u8>,
}

/// The turns of a run, rewritten in whole ops, then the scheduling points of the op in which the lane was preempted.
/// With these, an op can be removed or changed without moving the point at which its task is preempted later.
pub fn by_op(trail: &[TurnEnd]) -> Vec<Turn> {
    let mut places = [OpPosition::default(); Turn::KSWAPD as usize + 1];
    let mut waits: [Option<OpPosition>; Turn::KSWAPD as usize + 1] = Default::default();
    let mut turns = Vec::new();
    for step in trail {
        if let Some(handler) = step.fires {
            turns.push(Turn::handler(handler.into()));
            continue;
        }
        let lane = usize::from(step.lane);
        let from = std::mem::replace(&mut places[lane], step.place);
        let ops = step.place.op - from.op;
        // Whole ops first, then what the turn had of the op it ended in.
        turns.extend((0..ops).map(|_| Turn::op(lane)));
        let points = step.place.point - if ops > 0 { 0 } else { from.point };
        // A lane that cannot go on between ops has ended, and one that tries again where it waited before changes
        // nothing.
        if step.waits && step.place.point > 0 && waits[lane].replace(step.place) != Some(step.place) {
            // It ran to where it had to wait, which is where such a turn ends.
            turns.push(Turn::op(lane));
            continue;
        }
        match u32::try_from(points) {
            Ok(0) => {}
            Ok(points) => turns.push(Turn::points(lane, points)),
            // More points than a turn can count: as many as it can.
            Err(_) => turns.push(Turn::points(lane, u32::MAX)),
        }
    }
    turns
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Choose(Ready),
    /// All tasks have finished, and kswapd sleeps.
    Done,
    /// All lanes that are left wait for each other, or for a task that has ended with a lock held.
    Deadlock,
}

/// Lanes that can run, as a mask: tasks by index, and kswapd at [`Turn::KSWAPD`]. A strategy chooses from these; at
/// least one can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    mask: u32,
    /// The lane that paused before it retries for memory, as a mask; 0 when no other can run.
    resting: u32,
    blocked: u32,
    last: Option<u8>,
    /// Handlers that can start on top of that lane, as a mask.
    handlers: u8,
}

impl Ready {
    /// The lanes to choose from. A lane that has just found no memory is not among them while another one can run,
    /// kswapd included: a strategy that always prefers it would retry for ever.
    pub fn lanes(self) -> impl DoubleEndedIterator<Item = usize> {
        let mask = self.mask & !self.resting;
        (0..=usize::from(Turn::KSWAPD)).filter(move |lane| mask >> lane & 1 == 1)
    }

    pub fn has(self, lane: usize) -> bool {
        self.mask >> lane & 1 == 1
    }

    /// Whether some lane waits for a lock, so that a release may change which lanes can run.
    pub fn a_lane_waits(self) -> bool {
        self.blocked != 0
    }

    /// The lane whose turn was last, when it is among those to choose from.
    pub fn goes_on(self) -> Option<usize> {
        self.last().filter(|lane| self.resting >> lane & 1 == 0)
    }

    /// The lane whose turn was last, when it can go on.
    pub fn last(self) -> Option<usize> {
        self.last.map(usize::from).filter(|lane| self.has(*lane))
    }

    /// Handlers that can start on top of the lane whose turn was last.
    pub fn handlers(self) -> impl Iterator<Item = usize> {
        (0..limits::HANDLERS).filter(move |handler| self.handlers >> handler & 1 == 1)
    }

    /// The same lanes, with the handlers that can start.
    pub(super) fn with_handlers(self, able: impl Iterator<Item = usize>) -> Ready {
        Ready { handlers: able.fold(0, |mask, handler| mask | 1 << handler), ..self }
    }

    /// The lane that runs when a turn names `wanted`. If that cannot run, the first runnable task runs instead, or
    /// kswapd if there is none.
    pub(super) fn choose(self, wanted: Option<usize>) -> usize {
        let first = self.mask.trailing_zeros() as usize;
        wanted.filter(|lane| self.has(*lane)).unwrap_or(first)
    }
}

const KSWAPD: u32 = 1 << Turn::KSWAPD;

/// What each lane does, as masks with the bit of each lane. The scheduler keeps it up to date with [`Turns::paused`],
/// and asks for the lanes that can run with [`Turns::next`].
#[derive(Debug, Default)]
pub(super) struct Turns {
    tasks: u32,
    finished: u32,
    blocked: u32,
    retrying: u32,
    /// The lane that paused last, if it will retry for memory: others go first.
    resting: u32,
    last: Option<u8>,
}

impl Turns {
    pub fn new(tasks: usize) -> Turns {
        Turns { tasks: (1 << tasks) - 1, ..Turns::default() }
    }

    /// The lanes that can run; `kswapd` says whether it is awake.
    pub fn next(&self, kswapd: bool) -> Next {
        let able = (self.tasks | if kswapd { KSWAPD } else { 0 }) & !self.finished & !self.blocked;
        // A resting lane has its turn when no other task can run. kswapd does not count here, or a task named by a
        // schedule could not retry while kswapd is awake.
        let tasks = able & self.tasks;
        let fresh = if tasks & !self.resting == 0 { able } else { able & !self.resting };
        match fresh {
            0 if self.finished & self.tasks == self.tasks && !kswapd => Next::Done,
            0 => Next::Deadlock,
            mask => {
                let resting = if mask & !self.resting == 0 { 0 } else { self.resting };
                Next::Choose(Ready { mask, resting, blocked: self.blocked, last: self.last, handlers: 0 })
            }
        }
    }

    /// Tasks that have ended, as a mask.
    pub fn finished(&self) -> u32 {
        self.finished
    }

    /// Whether no other lane can free memory: no other task can run except to retry, and kswapd cannot run. The second
    /// value is for once the lane releases a lock: consecutive turns of a lane are recorded as one, and waiting tasks
    /// try again only at its end.
    pub fn alone(&self, lane: usize, kswapd: bool) -> [bool; 2] {
        [self.blocked, 0].map(|blocked| {
            let kswapd = if kswapd { KSWAPD & !blocked } else { 0 };
            let others = self.tasks & !self.finished & !blocked & !self.retrying;
            (others | kswapd) & !(1 << lane) == 0
        })
    }

    /// Notes how a lane paused. `released`: it released a lock or killed a task before, so waiting tasks try again.
    /// `looking`: it retries for memory, wherever in a round it paused.
    pub fn paused(&mut self, lane: usize, pause: Pause, released: bool, looking: bool) {
        let bit = 1 << lane;
        // A lane that was preempted within a round of retries frees nothing either, so it still counts as retrying.
        self.retrying = self.retrying & !bit | if looking { bit } else { 0 };
        // A lane rests for one turn of another lane only.
        self.resting = 0;
        self.last = Some(lane as u8);
        // Which lane waits for which lock is not kept: all try again, and those whose lock is still held pause again.
        if released {
            self.blocked = 0;
        }
        match pause {
            Pause::Blocked => self.blocked |= bit,
            Pause::Finished => self.finished |= bit & self.tasks,
            Pause::Retrying => self.resting = bit,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KSWAPD: usize = Turn::KSWAPD as usize;

    fn choose(turns: &Turns, wanted: Option<usize>, kswapd: bool) -> Option<usize> {
        match turns.next(kswapd) {
            Next::Choose(ready) => Some(ready.choose(wanted)),
            _ => None,
        }
    }

    #[test]
    fn the_schedule_decides_among_those_that_can_run() {
        let mut turns = Turns::new(3);
        assert_eq!(choose(&turns, Some(2), false), Some(2));
        turns.paused(2, Pause::Blocked, false, false);
        assert_eq!(choose(&turns, Some(2), false), Some(0));
        turns.paused(0, Pause::Yielded, true, false);
        assert_eq!(choose(&turns, Some(2), false), Some(2), "it tries again once a lock was released");
        turns.paused(2, Pause::Preempted, false, false);
        assert_eq!(choose(&turns, Some(2), false), Some(2), "a preempted lane can go on");
    }

    #[test]
    fn kswapd_is_chosen_when_it_is_named_or_no_task_can_run() {
        let mut turns = Turns::new(2);
        assert_eq!(choose(&turns, Some(KSWAPD), true), Some(KSWAPD));
        assert_eq!(choose(&turns, Some(KSWAPD), false), Some(0), "it sleeps");
        turns.paused(0, Pause::Blocked, false, false);
        turns.paused(1, Pause::Finished, false, false);
        assert_eq!(choose(&turns, Some(1), true), Some(KSWAPD));
    }

    #[test]
    fn kswapd_goes_before_a_retry_unless_a_schedule_names_the_task() {
        let mut turns = Turns::new(1);
        turns.paused(0, Pause::Retrying, false, true);
        let Next::Choose(ready) = turns.next(true) else { panic!("both can run") };
        assert_eq!(ready.lanes().collect::<Vec<_>>(), [KSWAPD]);
        assert_eq!((ready.goes_on(), ready.choose(Some(0))), (None, 0));
        let Next::Choose(ready) = turns.next(false) else { panic!("it can run") };
        assert_eq!((ready.lanes().collect::<Vec<_>>(), ready.goes_on()), (vec![0], Some(0)), "no other lane can");
    }

    #[test]
    fn all_waiting_is_a_deadlock() {
        let mut turns = Turns::new(2);
        for l in [0, 1, KSWAPD] {
            turns.paused(l, Pause::Blocked, false, false);
        }
        assert_eq!(turns.next(true), Next::Deadlock);
        turns.paused(0, Pause::Finished, false, false);
        turns.paused(1, Pause::Finished, false, false);
        assert_eq!(turns.next(true), Next::Deadlock, "kswapd waits for a task that has ended");
        assert_eq!(turns.next(false), Next::Done);
    }

    #[test]
    fn a_retrying_task_is_alone_when_all_others_wait_or_retry() {
        let mut turns = Turns::new(3);
        turns.paused(2, Pause::Finished, false, false);
        turns.paused(0, Pause::Retrying, false, true);
        assert_eq!(choose(&turns, Some(0), false), Some(1), "the other goes first");
        assert_eq!(turns.alone(1, false), [true; 2], "lane 0 only retries");
        assert_eq!(turns.alone(1, true), [false; 2], "kswapd may help");
        turns.paused(0, Pause::Preempted, false, true);
        assert_eq!(turns.alone(1, false), [true; 2], "it is stopped in the middle of a round, and still only retries");
        turns.paused(1, Pause::Blocked, false, false);
        assert_eq!(choose(&turns, None, false), Some(0));
        assert_eq!(turns.alone(0, false), [true, false], "until it releases what lane 1 waits for");
    }
}
