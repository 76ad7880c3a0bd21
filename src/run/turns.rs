// SPDX-License-Identifier: GPL-2.0-only
//! Whose turn it is: the order in which lanes run, by the program's schedule and by who can run at all.

use crate::world::fiber::Pause;

/// Who runs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// This lane; `alone` when nobody else could.
    Lane { lane: usize, alone: bool },
    /// All tasks have finished, and kswapd sleeps.
    Done,
    /// Whoever is left waits for another.
    Deadlock,
}

/// State of the lanes, as masks. kswapd's lane stands behind those of the tasks.
#[derive(Debug, Default)]
pub(super) struct Turns {
    tasks: usize,
    finished: u32,
    blocked: u32,
    retrying: u32,
    /// The lane that paused to look for memory again lets the others go first.
    resting: Option<usize>,
}

impl Turns {
    pub fn new(tasks: usize) -> Turns {
        Turns { tasks, ..Turns::default() }
    }

    fn ready(&self, lane: usize) -> bool {
        (self.finished | self.blocked) >> lane & 1 == 0
    }

    /// Chooses: kswapd as soon as it is awake, then the task `wanted` by the schedule, then the first that can run.
    pub fn next(&self, wanted: Option<usize>, kswapd: bool) -> Next {
        let kswapd_ready = kswapd && self.blocked >> self.tasks & 1 == 0;
        if kswapd_ready {
            return Next::Lane { lane: self.tasks, alone: false };
        }
        let fresh = |lane: &usize| self.ready(*lane) && Some(*lane) != self.resting;
        let chosen = wanted.filter(fresh).or_else(|| (0..self.tasks).find(fresh));
        let chosen = chosen.or_else(|| self.resting.filter(|lane| self.ready(*lane)));
        match chosen {
            Some(lane) => {
                let others = (0..self.tasks).filter(|o| *o != lane && self.ready(*o));
                Next::Lane { lane, alone: others.into_iter().all(|o| self.retrying >> o & 1 == 1) }
            }
            None if self.finished.count_ones() as usize == self.tasks && !kswapd => Next::Done,
            None => Next::Deadlock,
        }
    }

    /// Takes note of how a lane paused, and whether it released a lock before: then whoever waits looks again.
    pub fn paused(&mut self, lane: usize, pause: Pause, released: bool) {
        let bit = 1 << lane;
        self.retrying &= !bit;
        self.resting = None;
        if released {
            self.blocked = 0;
        }
        match pause {
            Pause::Blocked => self.blocked |= bit,
            Pause::Finished if lane < self.tasks => self.finished |= bit,
            Pause::Retrying => {
                self.retrying |= bit;
                self.resting = Some(lane);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(lane: usize, alone: bool) -> Next {
        Next::Lane { lane, alone }
    }

    #[test]
    fn the_schedule_decides_among_those_that_can_run() {
        let mut turns = Turns::new(3);
        assert_eq!(turns.next(Some(2), false), lane(2, false));
        turns.paused(2, Pause::Blocked, false);
        assert_eq!(turns.next(Some(2), false), lane(0, false));
        turns.paused(0, Pause::Yielded, true);
        assert_eq!(turns.next(Some(2), false), lane(2, false), "it looks again once a lock was released");
    }

    #[test]
    fn kswapd_comes_first_and_all_waiting_is_a_deadlock() {
        let mut turns = Turns::new(2);
        assert_eq!(turns.next(Some(1), true), lane(2, false));
        for l in 0..3 {
            turns.paused(l, Pause::Blocked, false);
        }
        assert_eq!(turns.next(None, true), Next::Deadlock);
        turns.paused(0, Pause::Finished, false);
        turns.paused(1, Pause::Finished, false);
        assert_eq!(turns.next(None, false), Next::Done);
    }

    #[test]
    fn who_retries_is_alone_when_all_others_wait_or_retry() {
        let mut turns = Turns::new(3);
        turns.paused(2, Pause::Finished, false);
        turns.paused(0, Pause::Retrying, false);
        assert_eq!(turns.next(Some(0), false), lane(1, true), "the other goes first; lane 0 only retries");
        turns.paused(1, Pause::Blocked, false);
        assert_eq!(turns.next(None, false), lane(0, true));
    }
}
