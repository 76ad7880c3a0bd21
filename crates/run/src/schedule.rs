// SPDX-License-Identifier: GPL-2.0-only
//! A session's tasks under a schedule: one lane after the other has a turn.
//!
//! A turn goes to the end of an op or for a number of scheduling points, and ends earlier where the lane has to wait.
//! What was done is recorded as turns, so that a strategy's run can be repeated without the strategy.

use super::session::{Ended, STATE_EVERY, Session, Watch, start_task};
use super::strategy::Strategy;
use super::turns::{Next, OpPosition, Ready, TurnEnd, Turns};
use percuss_kernel::{KSWAPD, Lock, Tenant};
use percuss_program::{Program, Turn};
use percuss_world::Host;
use percuss_world::fiber::Pause;

impl<T: Tenant + 'static> Session<T> {
    /// Runs the tasks as the strategy chooses, then the drain. Returns early when the World stops, and when all lanes
    /// that are left wait for each other, which is a deadlock.
    pub(super) fn schedule(
        &mut self,
        program: &Program,
        strategy: &mut dyn Strategy,
        watch: &mut impl Watch<T>,
    ) -> Ended {
        let tasks = program.tasks.len();
        self.ran = 0;
        self.kswapd_started = false;
        self.next.clear();
        self.next.resize(tasks, 0);
        (0..tasks).for_each(|t| start_task(&mut self.lanes[t], &self.shared, t));
        // Memory pressure begins after the boot, which would fail under it.
        self.shared.host.world_mut().press(program);
        let mut turns = Turns::new(tasks);
        loop {
            // kswapd's lane comes after those of the tasks, so that `Turn::KSWAPD`, which is larger, is cut to it.
            let kswapd = self.kswapd_runs(tasks);
            let ready = match turns.next(kswapd) {
                Next::Choose(ready) => ready,
                Next::Done => {
                    watch.ops_done(&self.shared);
                    return self.drain(watch);
                }
                Next::Deadlock => {
                    self.shared.host.world_mut().deadlock(turns.finished());
                    return Ended::Stopped;
                }
            };
            let handlers = self.shared.handlers.borrow().len();
            let ready = ready.with_handlers((0..handlers).filter(|handler| self.can_fire(*handler, ready)));
            let turn = self.choose(ready, strategy);
            // An interrupt is a turn of the lane that it interrupts.
            let lane = if turn.fires().is_some() { ready.last() } else { None }.unwrap_or(usize::from(turn.lane));
            // Before the turn: the World asks when an allocation fails whether another task could free memory.
            self.shared.host.world_mut().set_alone(turns.alone(lane, kswapd));
            let pause = match turn.fires() {
                Some(handler) => self.fire(handler, lane.min(tasks), tasks, watch),
                None => self.take(turn, tasks, watch),
            };
            // No turn fits into a full schedule. From here on, the rules for a schedule that is used up decide, so a
            // replay goes the same way.
            if !self.recorder.is_full() {
                self.recorder.took(turn, matches!(pause, Pause::Preempted | Pause::Yielded));
            }
            self.went(lane, turn.fires(), pause);
            strategy.went(lane, self.places[lane], self.recorder.is_open());
            if pause == Pause::Stopped {
                return Ended::Stopped;
            }
            let mut world = self.shared.host.world_mut();
            let (released, looking) = (world.take_released(), world.is_looking());
            turns.paused(lane, pause, released, looking);
        }
    }

    /// The next turn, of a lane that can run.
    fn choose(&mut self, ready: Ready, strategy: &mut dyn Strategy) -> Turn {
        // What is recorded has to fit into a program; after it the rules for a schedule that is used up hold.
        let over = self.recorder.is_full();
        let kswapd = usize::from(Turn::KSWAPD);
        if ready.has(kswapd) && (over || !strategy.schedules_kswapd()) {
            return Turn::op(kswapd);
        }
        let mut wanted = if over { None } else { strategy.next(ready) };
        // An interrupt that cannot start where its turn comes is lost.
        while let Some(handler) = wanted.and_then(Turn::fires) {
            if ready.handlers().any(|able| able == handler) {
                return Turn::handler(handler);
            }
            wanted = strategy.next(ready);
        }
        let lane = ready.choose(wanted.map(|t| usize::from(t.lane)));
        Turn { lane: lane as u8, points: wanted.map_or(0, |t| t.points) }
    }

    /// Whether the handler can start on top of the lane whose turn was last: the lane can go on, its context takes
    /// interrupts of this kind, and no handler is on it.
    fn can_fire(&self, handler: usize, ready: Ready) -> bool {
        let tasks = self.shared.ops.borrow().len();
        let Some(lane) = ready.last().map(|lane| &self.lanes[lane.min(tasks)]) else { return false };
        let hard = self.shared.handlers.borrow().get(handler).map(|h| h.hard);
        hard.is_some_and(|hard| !lane.handles() && self.shared.host.world().takes_interrupt(lane.context, hard))
    }

    /// Runs a handler on top of a lane, to its end unless it has to wait. It has no limit of points: an interrupt is
    /// not preempted by tasks.
    fn fire(&mut self, handler: usize, lane: usize, tasks: usize, watch: &mut impl Watch<T>) -> Pause {
        self.shared.host.grant(Host::NO_END);
        let shared = self.shared.clone();
        self.lanes[lane].fire(move || shared.handle(handler));
        self.step(lane, tasks, watch)
    }

    /// Runs a lane to the end of its turn: the end of its op, or the last of its points, over ends of ops if need be.
    fn take(&mut self, turn: Turn, tasks: usize, watch: &mut impl Watch<T>) -> Pause {
        let granted = if turn.preempts() { turn.points.into() } else { Host::NO_END };
        self.shared.host.grant(granted);
        let lane = usize::from(turn.lane);
        let mut counted = 0;
        loop {
            let pause = self.step(lane.min(tasks), tasks, watch);
            let passed = granted - self.shared.host.left();
            let place = &mut self.places[lane];
            *place = match pause {
                Pause::Yielded => OpPosition { op: place.op + 1, point: 0 },
                _ => OpPosition { point: place.point + (passed - counted), ..*place },
            };
            match pause {
                // The end of an op is a scheduling point, too.
                Pause::Yielded if turn.preempts() && !self.shared.host.pass() => {}
                pause => return pause,
            }
            counted = granted - self.shared.host.left();
        }
    }

    fn went(&mut self, lane: usize, fires: Option<usize>, pause: Pause) {
        // Only the last of consecutive turns of a lane matters, since nothing ran between them.
        let waits = !matches!(pause, Pause::Preempted | Pause::Yielded);
        let fires = fires.map(|handler| handler as u8);
        let step = TurnEnd { lane: lane as u8, place: self.places[lane], waits, fires };
        match self.trail.last_mut() {
            Some(last) if last.lane == step.lane && last.fires.is_none() && fires.is_none() => *last = step,
            _ => self.trail.push(step),
        }
    }

    /// Whether kswapd is awake or still in the middle of its work. Puts it on its lane when it has just been woken.
    fn kswapd_runs(&mut self, lane: usize) -> bool {
        let awake = self.shared.host.world().kswapd_awake();
        if awake && !std::mem::replace(&mut self.kswapd_started, true) {
            let shared = self.shared.clone();
            self.lanes[lane].start(KSWAPD, move || shared.host.kswapd());
        }
        awake || self.kswapd_started
    }

    /// Resumes a lane in its context. When an op ended, digests the state if it is time to, and calls the watcher.
    fn step(&mut self, lane: usize, tasks: usize, watch: &mut impl Watch<T>) -> Pause {
        // The World has to know whose locks and flags the tenant's calls are about.
        let context = self.lanes[lane].context;
        self.shared.host.world_mut().switch_to(context);
        let pause = self.lanes[lane].resume(&self.shared);
        self.lanes[lane].context = self.shared.host.world().current();
        if lane == tasks {
            self.kswapd_started = pause != Pause::Finished;
        } else if pause == Pause::Yielded {
            self.ran += 1;
            // Under pcpu_lock another task is in the middle of changing the state.
            if self.ran.is_multiple_of(STATE_EVERY) && !self.shared.host.world().is_held(Lock::Pcpu) {
                self.note_state();
            }
            watch.op_done(&self.shared, percuss_kernel::op_number(lane, self.next[lane]));
            self.next[lane] += 1;
        }
        pause
    }
}
