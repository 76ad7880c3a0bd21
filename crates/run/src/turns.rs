// SPDX-License-Identifier: GPL-2.0-only
//! Whose turn it is: the lanes that can run, and the rule for a turn of one that cannot.

use percuss_kernel::limits;
use percuss_program::Turn;
use percuss_world::fiber::Pause;

/// How far a lane has come: ops that ended, and points passed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// Ops that ended; kswapd has none.
    pub op: u32,
    /// Scheduling points passed in the op it is in.
    pub point: u64,
}

/// Where a turn ended, those of a lane that followed each other taken for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The task by index, or [`Turn::KSWAPD`].
    pub lane: u8,
    /// Its place then.
    pub place: Place,
    /// It could not go on: it waits, or has ended.
    pub waits: bool,
    /// The turn was that of a handler, fired on top of the lane.
    pub fires: Option<u8>,
}

/// The turns of a run, said by op: whole ops first, then the points of the one in which a lane was preempted. An op can
/// then go, or change, without moving where its task is stopped later.
pub fn by_op(trail: &[Step]) -> Vec<Turn> {
    let mut places = [Place::default(); Turn::KSWAPD as usize + 1];
    let mut waits: [Option<Place>; Turn::KSWAPD as usize + 1] = Default::default();
    let mut turns = Vec::new();
    for step in trail {
        if let Some(handler) = step.fires {
            turns.push(Turn::handler(handler.into()));
            continue;
        }
        let lane = usize::from(step.lane);
        let from = std::mem::replace(&mut places[lane], step.place);
        let ops = step.place.op - from.op;
        turns.extend((0..ops).map(|_| Turn::op(lane)));
        let points = step.place.point - if ops > 0 { 0 } else { from.point };
        // A task between ops has ended; one that looks again for what it waits for changes nothing.
        if step.waits && step.place.point > 0 && waits[lane].replace(step.place) != Some(step.place) {
            // It ran to where it had to wait, which is where such a turn ends.
            turns.push(Turn::op(lane));
            continue;
        }
        match u32::try_from(points) {
            Ok(0) => {}
            Ok(points) => turns.push(Turn::points(lane, points)),
            Err(_) => turns.push(Turn::points(lane, u32::MAX)),
        }
    }
    turns
}

/// Who can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Somebody can.
    Somebody(Ready),
    /// All tasks have finished, and kswapd sleeps.
    Done,
    /// Whoever is left waits for another.
    Deadlock,
}

/// Lanes that can run, as a mask: tasks by index, and kswapd at [`Turn::KSWAPD`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    mask: u32,
    /// The lane that paused to look for memory again, when another can run.
    resting: u32,
    /// Lanes that wait for a lock.
    blocked: u32,
    /// The lane whose turn was last.
    last: Option<u8>,
    /// Handlers that can start on top of that lane, as a mask.
    handlers: u8,
}

impl Ready {
    /// The lanes to choose from. One that has just found no memory is not among them while another can run, be it
    /// kswapd: it would go round for ever.
    pub fn lanes(self) -> impl DoubleEndedIterator<Item = usize> {
        let mask = self.mask & !self.resting;
        (0..=usize::from(Turn::KSWAPD)).filter(move |lane| mask >> lane & 1 == 1)
    }

    /// This lane can run.
    pub fn has(self, lane: usize) -> bool {
        self.mask >> lane & 1 == 1
    }

    /// Some lane waits for a lock, so that a release may change who can run.
    pub fn somebody_waits(self) -> bool {
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

    /// With the handlers that can start.
    pub(super) fn with_handlers(self, able: impl Iterator<Item = usize>) -> Ready {
        Ready { handlers: able.fold(0, |mask, handler| mask | 1 << handler), ..self }
    }

    /// Who runs when it is the turn of `wanted`: that lane if it can, else the first task that can, else kswapd.
    pub(super) fn choose(self, wanted: Option<usize>) -> usize {
        let first = self.mask.trailing_zeros() as usize;
        wanted.filter(|lane| self.has(*lane)).unwrap_or(first)
    }
}

const KSWAPD: u32 = 1 << Turn::KSWAPD;

/// State of the lanes, as masks.
#[derive(Debug, Default)]
pub(super) struct Turns {
    tasks: u32,
    finished: u32,
    blocked: u32,
    retrying: u32,
    /// The lane that paused to look for memory again lets the others go first.
    resting: u32,
    last: Option<u8>,
}

impl Turns {
    pub fn new(tasks: usize) -> Turns {
        Turns { tasks: (1 << tasks) - 1, ..Turns::default() }
    }

    /// Who can run, with kswapd when it is awake.
    pub fn next(&self, kswapd: bool) -> Next {
        let able = (self.tasks | if kswapd { KSWAPD } else { 0 }) & !self.finished & !self.blocked;
        // Whoever rests comes when no other task can run.
        let tasks = able & self.tasks;
        let fresh = if tasks & !self.resting == 0 { able } else { able & !self.resting };
        match fresh {
            0 if self.finished & self.tasks == self.tasks && !kswapd => Next::Done,
            0 => Next::Deadlock,
            mask => {
                let resting = if mask & !self.resting == 0 { 0 } else { self.resting };
                Next::Somebody(Ready { mask, resting, blocked: self.blocked, last: self.last, handlers: 0 })
            }
        }
    }

    /// Tasks that came to their end, as a mask.
    pub fn finished(&self) -> u32 {
        self.finished
    }

    /// No other task can run but to retry, and kswapd cannot run. Then the same for once the lane releases a lock:
    /// turns of a lane that follow each other are recorded as one, and who waits looks again at the end of it only.
    pub fn alone(&self, lane: usize, kswapd: bool) -> [bool; 2] {
        [self.blocked, 0].map(|blocked| {
            let kswapd = if kswapd { KSWAPD & !blocked } else { 0 };
            let others = self.tasks & !self.finished & !blocked & !self.retrying;
            (others | kswapd) & !(1 << lane) == 0
        })
    }

    /// Takes note of how a lane paused, and whether it released a lock or killed a task before: then whoever waits
    /// looks again. `looking`: it goes round for memory, wherever in that it was stopped.
    pub fn paused(&mut self, lane: usize, pause: Pause, released: bool, looking: bool) {
        let bit = 1 << lane;
        self.retrying = self.retrying & !bit | if looking { bit } else { 0 };
        self.resting = 0;
        self.last = Some(lane as u8);
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
            Next::Somebody(ready) => Some(ready.choose(wanted)),
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
        assert_eq!(choose(&turns, Some(2), false), Some(2), "it looks again once a lock was released");
        turns.paused(2, Pause::Preempted, false, false);
        assert_eq!(choose(&turns, Some(2), false), Some(2), "who is preempted can go on");
    }

    #[test]
    fn kswapd_is_chosen_when_it_is_named_or_nobody_else_can_run() {
        let mut turns = Turns::new(2);
        assert_eq!(choose(&turns, Some(KSWAPD), true), Some(KSWAPD));
        assert_eq!(choose(&turns, Some(KSWAPD), false), Some(0), "it sleeps");
        turns.paused(0, Pause::Blocked, false, false);
        turns.paused(1, Pause::Finished, false, false);
        assert_eq!(choose(&turns, Some(1), true), Some(KSWAPD));
    }

    #[test]
    fn who_found_no_memory_lets_kswapd_go_first_unless_a_schedule_says_otherwise() {
        let mut turns = Turns::new(1);
        turns.paused(0, Pause::Retrying, false, true);
        let Next::Somebody(ready) = turns.next(true) else { panic!("both can run") };
        assert_eq!(ready.lanes().collect::<Vec<_>>(), [KSWAPD]);
        assert_eq!((ready.goes_on(), ready.choose(Some(0))), (None, 0));
        let Next::Somebody(ready) = turns.next(false) else { panic!("it can run") };
        assert_eq!((ready.lanes().collect::<Vec<_>>(), ready.goes_on()), (vec![0], Some(0)), "nobody else can");
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
        assert_eq!(turns.next(true), Next::Deadlock, "kswapd waits for who is gone");
        assert_eq!(turns.next(false), Next::Done);
    }

    #[test]
    fn who_retries_is_alone_when_all_others_wait_or_retry() {
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
