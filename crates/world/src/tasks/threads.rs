// SPDX-License-Identifier: GPL-2.0-only
//! Free running: real threads, each one task of a program, use one World in turn.
//!
//! A thread takes the World with its first call behind a scheduling point and lets it go at the next point. So the
//! event log is the order in which threads had the World, every order that can come about is one that a schedule can
//! say, and the tenant's code from a point to the next call runs in parallel.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::tasks::fiber::{self, Pause};
use crate::world::World;

/// Attempts to take the World before a thread gives up its processor.
const SPINS: u32 = 64;
/// Times it gives it up before it sleeps.
const YIELDS: u32 = 64;
/// How long a thread waits for another to take the World first.
const PATIENCE: Duration = Duration::from_micros(500);
/// Longest sleep, should nobody wake it.
const SLEEP: Duration = Duration::from_millis(1);

/// How long a thread that looks for data races holds back what it did since its last call, now and then: time for others to
/// touch the same. It is what the kernel's own race detector (KCSAN) gives tasks.
const STALL: Duration = Duration::from_micros(80);

/// Not 0, of which all numbers would be 0.
const DICE: u32 = 0x9e37_79b9;

/// The time that a thread had the World.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    /// The task.
    pub lane: u8,
    /// Scheduling points that it passed since it had the World last.
    pub points: u32,
    /// It ended at such a point; else it waited, or was done.
    pub at_point: bool,
}

/// How things were when a thread put the World back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Put {
    /// Releases until then.
    releases: u64,
    /// Times that the World had been taken.
    takes: u64,
}

/// When threads let the World go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Grain {
    /// At scheduling points: what happens can be said as a schedule.
    Points,
    /// Once a lock is taken, too: more of the tenant's code runs in parallel, for those who look for data races.
    Calls,
}

/// One World for several threads.
#[derive(Debug)]
pub struct Common {
    state: Mutex<State>,
    /// Somebody put the World back.
    free: Condvar,
    /// A lock of the World was released, or the program is over.
    released: Condvar,
    /// The World is there to be taken; a hint for those who spin.
    here: AtomicBool,
    /// Somebody took it.
    taken: Condvar,
    /// Released and acquired with `state`: a thread sanitizer sees who came before whom only in code that is built for
    /// it, which the standard library's locks are not.
    edge: AtomicU64,
    grain: Grain,
}

#[derive(Debug)]
struct State {
    world: Option<Box<World>>,
    /// Threads that sleep until the World is there.
    sleeping: u32,
    /// Times it was taken.
    takes: u64,
    /// Threads that let another go first.
    polite: u32,
    /// Tasks that run.
    lanes: u32,
    /// Of these, who waits for a lock.
    blocked: u32,
    /// Of these, who goes round for memory, wherever in that he let the World go.
    looking: u32,
    /// Tasks that have ended.
    ended: u32,
    /// Counts releases.
    releases: u64,
    over: bool,
    held: Vec<Held>,
}

impl State {
    /// Tasks but this one that can run.
    fn others(&self, lane: u8) -> u32 {
        self.lanes & !self.blocked & !(1 << lane)
    }

    /// Nobody but this task can run except to look for memory, too; the rule of a replay's turns. Then the same for once
    /// a lock is released.
    fn alone(&self, lane: u8) -> [bool; 2] {
        [self.blocked, 0].map(|blocked| self.lanes & !blocked & !self.looking & !(1 << lane) == 0)
    }
}

/// The state, locked.
struct Locked<'c> {
    /// None while it is waited for.
    state: Option<MutexGuard<'c, State>>,
    edge: &'c AtomicU64,
}

impl<'c> Locked<'c> {
    /// Unlocks it for a while.
    fn wait(&mut self, wait: impl FnOnce(MutexGuard<'c, State>) -> MutexGuard<'c, State>) {
        self.edge.fetch_add(1, Ordering::Release);
        self.state = self.state.take().map(wait);
        self.edge.load(Ordering::Acquire);
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.edge.fetch_add(1, Ordering::Release);
    }
}

impl std::ops::Deref for Locked<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        self.state.as_deref().expect("it is there but while it is waited for")
    }
}

impl std::ops::DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut State {
        self.state.as_deref_mut().expect("it is there but while it is waited for")
    }
}

impl Common {
    /// A World for threads. `lanes` are tasks that run from the start, as a mask; others do once they have a seat.
    pub fn new(world: Box<World>, lanes: u32, grain: Grain) -> Arc<Common> {
        let state = State {
            world: Some(world),
            sleeping: 0,
            takes: 0,
            polite: 0,
            lanes,
            blocked: 0,
            looking: 0,
            ended: 0,
            releases: 0,
            over: false,
            held: Vec::new(),
        };
        Arc::new(Common {
            state: Mutex::new(state),
            free: Condvar::new(),
            released: Condvar::new(),
            here: AtomicBool::new(true),
            taken: Condvar::new(),
            edge: AtomicU64::new(0),
            grain,
        })
    }

    /// The World, and who had it; None while a thread has it.
    pub fn end(&self) -> Option<(Box<World>, Vec<Held>)> {
        let mut state = self.lock();
        let world = state.world.take()?;
        Some((world, std::mem::take(&mut state.held)))
    }

    /// Who had the World until now; None while a thread looks at that, who may be the one that asks.
    pub fn held_so_far(&self) -> Option<Vec<Held>> {
        self.state.try_lock().ok().map(|state| state.held.clone())
    }

    fn lock(&self) -> Locked<'_> {
        // A thread that panics here has left everything whole: nothing is computed while it is locked.
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.edge.load(Ordering::Acquire);
        Locked { state: Some(state), edge: &self.edge }
    }

    fn take(&self, lane: u8) -> Box<World> {
        if let Some(world) = self.take_from(&mut self.lock(), lane) {
            return world;
        }
        for round in 0..SPINS + YIELDS {
            if self.here.load(Ordering::Relaxed)
                && let Some(world) = self.take_from(&mut self.lock(), lane)
            {
                return world;
            }
            if round < SPINS { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
        let mut state = self.lock();
        loop {
            if let Some(world) = self.take_from(&mut state, lane) {
                return world;
            }
            state.sleeping += 1;
            state.wait(|s| self.free.wait_timeout(s, SLEEP).unwrap_or_else(PoisonError::into_inner).0);
            state.sleeping -= 1;
        }
    }

    fn take_from(&self, state: &mut State, lane: u8) -> Option<Box<World>> {
        let mut world = state.world.take()?;
        world.set_alone(state.alone(lane));
        self.here.store(false, Ordering::Relaxed);
        state.takes += 1;
        if state.polite > 0 {
            self.taken.notify_all();
        }
        Some(world)
    }

    /// Lets another thread have the World first, if one wants it soon. Who has just put it back is always the faster one,
    /// so that else threads would run one after the other.
    fn pass_on(&self, lane: u8) {
        let mut state = self.lock();
        let takes = state.takes;
        state.polite += 1;
        let mut late = false;
        while !late && state.takes == takes && state.others(lane) != 0 {
            state.wait(|s| {
                let (s, timeout) = self.taken.wait_timeout(s, PATIENCE).unwrap_or_else(PoisonError::into_inner);
                late = timeout.timed_out();
                s
            });
        }
        state.polite -= 1;
    }

    /// Who found no memory lets another have the World before he looks again, if there is one who can run. One who had it
    /// since it was put back counts: two that rest would else wait for each other.
    fn rest(&self, lane: u8, takes: u64) {
        let mut state = self.lock();
        state.polite += 1;
        while state.takes == takes && !state.over && state.others(lane) != 0 {
            state.wait(|s| self.taken.wait_timeout(s, PATIENCE).unwrap_or_else(PoisonError::into_inner).0);
        }
        state.polite -= 1;
    }

    /// Puts the World back. Who looked at a lock that is still taken is noted, too:
    /// from then on he cannot run, and whether others can decides how long one looks for memory.
    fn put(&self, mut world: Box<World>, lane: u8, held: Option<Held>, why: Pause) -> Put {
        let mut state = self.lock();
        let bit = 1 << lane;
        state.looking = state.looking & !bit | if world.is_looking() { bit } else { 0 };
        if world.take_released() {
            state.blocked = 0;
            state.releases += 1;
            self.released.notify_all();
        }
        match why {
            Pause::Blocked => state.blocked |= bit,
            Pause::Finished => {
                state.lanes &= !bit;
                state.ended |= bit;
            }
            _ => {}
        }
        // Who waits for one who has ended waits for ever, too.
        if state.lanes != 0 && state.blocked & state.lanes == state.lanes && world.stopped().is_none() {
            world.deadlock(state.ended);
        }
        if world.stopped().is_some() {
            state.over = true;
            self.released.notify_all();
        }
        state.held.extend(held);
        let put = Put { releases: state.releases, takes: state.takes };
        state.world = Some(world);
        self.here.store(true, Ordering::Relaxed);
        if state.sleeping > 0 {
            self.free.notify_one();
        }
        put
    }

    /// Sleeps until something was released after `releases`.
    fn wait_release(&self, releases: u64) {
        let mut state = self.lock();
        while state.releases == releases && !state.over {
            state.wait(|s| self.released.wait(s).unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// A thread's place among those that use a World.
#[derive(Debug)]
pub struct Seat {
    common: Arc<Common>,
    lane: u8,
    /// The World's context in which the task goes on: its own, or the worker's.
    context: Cell<usize>,
    /// Points passed since it was let go.
    points: Cell<u32>,
    /// Decides at which points others are let in.
    dice: Cell<u32>,
}

impl Seat {
    /// The place of a task, which counts as one that runs until it has finished.
    pub fn new(common: Arc<Common>, task: usize) -> Seat {
        common.lock().lanes |= 1 << task;
        Seat { common, lane: task as u8, context: Cell::new(task), points: Cell::new(0), dice: Cell::new(DICE) }
    }

    /// The task has ended, having the World or not.
    pub(crate) fn finish(&self, world: Option<Box<World>>) {
        let mut world = world.unwrap_or_else(|| self.common.take(self.lane));
        let points = self.points.get() + 1;
        let held = world.stopped().is_none().then_some(Held { lane: self.lane, points, at_point: false });
        // As its fiber would be resumed once more, to find that nothing is left to do.
        world.switch_to(self.context.get());
        self.common.put(world, self.lane, held, Pause::Finished);
    }

    /// Takes the World, which then runs this thread's task. Does not return to a task whose program is over.
    pub(crate) fn take(&self) -> Box<World> {
        // Before anything is locked: from then on whatever others do comes after what this thread has done.
        if self.common.grain == Grain::Calls && self.roll() {
            std::thread::sleep(STALL);
        }
        let mut world = self.common.take(self.lane);
        while world.stopped().is_some() {
            self.common.put(world, self.lane, None, Pause::Stopped);
            fiber::pause(Pause::Stopped);
            world = self.common.take(self.lane);
        }
        world.switch_to(self.context.get());
        world
    }

    /// One time in sixteen, without a pattern that two threads could fall into.
    fn roll(&self) -> bool {
        let mut dice = self.dice.get() ^ u32::from(self.lane) << 8;
        dice ^= dice << 13;
        dice ^= dice >> 17;
        dice ^= dice << 5;
        self.dice.set(dice);
        dice.is_multiple_of(16)
    }

    /// A lock was taken, which keeps apart what must be: the rest may run.
    pub(crate) fn lets_go_early(&self) -> bool {
        self.common.grain == Grain::Calls
    }

    /// A point that was passed without the World.
    pub(crate) fn pass(&self) {
        self.points.update(|n| n + 1);
    }

    /// Lets the World go for the reason given, and waits as long as that takes.
    pub(crate) fn let_go(&self, world: Box<World>, why: Pause) {
        self.context.set(world.current());
        let at_point = why == Pause::Preempted;
        let held = Held { lane: self.lane, points: self.points.take() + 1, at_point };
        let put = self.common.put(world, self.lane, Some(held), why);
        match why {
            Pause::Blocked => self.common.wait_release(put.releases),
            Pause::Stopped => fiber::pause(Pause::Stopped),
            Pause::Retrying => self.common.rest(self.lane, put.takes),
            Pause::Preempted if self.roll() => self.common.pass_on(self.lane),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELD: Held = Held { lane: 0, points: 1, at_point: true };

    fn put(common: &Common, mut world: Box<World>, lane: u8, why: Pause) -> Put {
        world.switch_to(lane.into());
        common.put(world, lane, Some(Held { lane, ..HELD }), why)
    }

    #[test]
    fn who_is_stopped_in_the_middle_of_a_round_for_memory_still_only_looks_for_it() {
        let mut world = Box::new(World::new(0).unwrap());
        world.note_retry(1);
        let common = Common::new(world, 0b11, Grain::Points);
        let world = common.take(0);
        put(&common, world, 0, Pause::Retrying);
        let world = common.take(0);
        put(&common, world, 0, Pause::Preempted);
        let mut world = common.take(1);
        assert!(world.is_alone());
        world.switch_to(0);
        world.stop_looking();
        put(&common, world, 0, Pause::Preempted);
        assert!(!common.take(1).is_alone(), "it has found some");
    }

    #[test]
    fn every_look_is_a_turn_and_who_waits_cannot_help() {
        let common = Common::new(Box::new(World::new(0).unwrap()), 0b11, Grain::Points);
        let world = common.take(0);
        put(&common, world, 0, Pause::Blocked);
        let world = common.take(1);
        assert!(world.is_alone());
        put(&common, world, 1, Pause::Preempted);
        let (_, held) = common.end().expect("it was put back");
        assert_eq!(held.iter().map(|h| h.lane).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn who_rests_goes_on_when_another_has_had_the_world_by_then() {
        let common = Common::new(Box::new(World::new(0).unwrap()), 0b11, Grain::Points);
        let world = common.take(0);
        let before = put(&common, world, 0, Pause::Retrying);
        let world = common.take(1);
        put(&common, world, 1, Pause::Retrying);
        common.rest(0, before.takes);
    }
}
