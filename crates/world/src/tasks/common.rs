// SPDX-License-Identifier: GPL-2.0-only
//! One World that real threads use in turn.
//!
//! The [`Common`] keeps the World while no thread has it and knows what each task does. From that it decides what the
//! scheduler decides in a run on fibers: which tasks wait, whether a task is alone, and when all of them wait for each
//! other. Threads reach it through their [`Seat`](super::seat::Seat).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, PoisonError};
use std::time::Duration;

use super::fiber::Pause;
use super::guard::EdgedMutex;
use crate::world::World;

/// Attempts to take the World in a busy loop before a thread yields its processor. A thread that spins sees the World
/// come back without a system call; the bound is there because the thread that has the World may need this processor.
/// The figure is a choice, not a measurement.
const SPINS: u32 = 64;
/// Times that a thread yields its processor before it sleeps. After a yield the thread can run again at once, after a
/// sleep only once another thread or the timer wakes it. The figure is a choice, too.
const YIELDS: u32 = 64;
/// How long a thread waits for another one to take the World first. In [`Common::pass_on`] the wait ends then, so that
/// a thread without a processor does not hold up the run. In [`Common::rest`] it only looks again: the end of the
/// program and a task that starts to wait do not signal `taken`.
const PATIENCE: Duration = Duration::from_micros(500);
/// The longest sleep before a thread looks again. [`Common::put`] wakes one sleeper, but a spinning thread may have the
/// World by the time the sleeper runs; with the bound, a sleeper does not depend on wakeups alone.
const SLEEP: Duration = Duration::from_millis(1);

/// One time that a thread had the World. The list of these is what a free run records: it is turned into a schedule,
/// whose replay on fibers has the same turns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    pub lane: u8,
    /// Scheduling points that it passed since it had the World last.
    pub points: u32,
    /// It ended at a scheduling point; else the task had to wait or has ended.
    pub at_point: bool,
}

/// The state of the [`Common`] when a thread put the World back. Its wait ends when one of these counts has changed, so
/// a change between putting back and waiting is not missed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Put {
    pub releases: u64,
    pub takes: u64,
}

/// When threads put the World back. It decides between runs that can be replayed and runs in which more of the tenant's
/// code overlaps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Grain {
    /// At scheduling points, so a schedule can repeat what happened.
    Points,
    /// After taking a lock, too: more of the tenant's code runs in parallel, to find data races. The lock keeps apart
    /// what it protects; only what it should protect and does not can then collide.
    Calls,
}

/// One World for several threads. All of them may call it at any time; the mutex in it is held only while counts change
/// and never while tenant code runs.
#[derive(Debug)]
pub struct Common {
    state: EdgedMutex<Turns>,
    /// Signalled when a thread puts the World back.
    free: Condvar,
    /// Signalled when a lock of the World was released, and when the program is over.
    released: Condvar,
    /// Signalled when a thread takes the World.
    taken: Condvar,
    /// The World can be taken. It is a hint, so that spinning threads need not lock `state`.
    here: AtomicBool,
    pub(super) grain: Grain,
}

/// Where the World is and what the tasks do. Masks have the bit of each task.
#[derive(Debug)]
struct Turns {
    world: Option<Box<World>>,
    /// Threads that sleep until the World can be taken.
    sleeping: u32,
    takes: u64,
    /// Threads that wait for another one to take the World first.
    polite: u32,
    /// Tasks that run, as a mask.
    lanes: u32,
    blocked: u32,
    /// Tasks of these that retry for memory, wherever in a round they put the World back.
    looking: u32,
    /// Tasks that have ended, as a mask.
    ended: u32,
    releases: u64,
    over: bool,
    held: Vec<Held>,
}

impl Turns {
    fn others(&self, lane: u8) -> u32 {
        self.lanes & !self.blocked & !(1 << lane)
    }

    /// Whether no other task can run, those that only retry for memory not counted: now, and once a lock is released. A
    /// replay of the schedule applies the same rule.
    fn alone(&self, lane: u8) -> [bool; 2] {
        [self.blocked, 0].map(|blocked| self.lanes & !blocked & !self.looking & !(1 << lane) == 0)
    }
}

impl Common {
    /// A World for threads. `lanes` is a mask of the tasks that run from the start; another one runs once it has a
    /// [`Seat`](super::seat::Seat).
    pub fn new(world: Box<World>, lanes: u32, grain: Grain) -> Arc<Common> {
        let state = Turns {
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
            state: EdgedMutex::new(state),
            free: Condvar::new(),
            released: Condvar::new(),
            taken: Condvar::new(),
            here: AtomicBool::new(true),
            grain,
        })
    }

    /// Takes the World out with all the times that threads had it, after the threads have ended. None while a thread
    /// has the World, which never gives it back if it died with it.
    pub fn end(&self) -> Option<(Box<World>, Vec<Held>)> {
        let mut state = self.state.lock();
        let world = state.world.take()?;
        Some((world, std::mem::take(&mut state.held)))
    }

    /// The times that threads had the World until now; None while a thread has that locked, which may be the calling
    /// one.
    pub fn held_so_far(&self) -> Option<Vec<Held>> {
        self.state.try_read(|state| state.held.clone())
    }

    pub(super) fn join(&self, task: usize) {
        self.state.lock().lanes |= 1 << task;
    }

    /// Waits for the World and takes it: first in a busy loop, then yielding the processor, at last asleep. The order
    /// is by how much each step costs when the World comes back soon.
    pub(super) fn take(&self, lane: u8) -> Box<World> {
        if let Some(world) = self.take_from(&mut self.state.lock(), lane) {
            return world;
        }
        for round in 0..SPINS + YIELDS {
            // Spinning threads only read the flag. If each attempt locked `state`, they would keep the thread that puts
            // the World back from getting that lock.
            if self.here.load(Ordering::Relaxed)
                && let Some(world) = self.take_from(&mut self.state.lock(), lane)
            {
                return world;
            }
            if round < SPINS { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
        let mut state = self.state.lock();
        loop {
            if let Some(world) = self.take_from(&mut state, lane) {
                return world;
            }
            // Counted under the lock, so put() sees each sleeper and need not notify when there is none.
            state.sleeping += 1;
            state.wait(|s| self.free.wait_timeout(s, SLEEP).unwrap_or_else(PoisonError::into_inner).0);
            state.sleeping -= 1;
        }
    }

    fn take_from(&self, state: &mut Turns, lane: u8) -> Option<Box<World>> {
        let mut world = state.world.take()?;
        // The task needs the answer while it runs, when the state may be locked by another thread.
        world.set_alone(state.alone(lane));
        self.here.store(false, Ordering::Relaxed);
        state.takes += 1;
        // Notifying costs a system call, and mostly no thread waits for this.
        if state.polite > 0 {
            self.taken.notify_all();
        }
        Some(world)
    }

    /// Waits until another thread takes the World, if one does so soon. The thread that has just put it back is always
    /// faster to take it again, so without this the tasks would run one after the other.
    pub(super) fn pass_on(&self, lane: u8) {
        let mut state = self.state.lock();
        let takes = state.takes;
        state.polite += 1;
        // A spurious wakeup must not end the wait early, hence the loop; the timeout ends it, since no thread has to
        // take the World soon.
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

    /// After a failed allocation, yields the World to another runnable task before retrying. `takes` is from the
    /// [`Put`]: a thread that took the World since then counts, else two threads that rest would wait for each other.
    pub(super) fn rest(&self, lane: u8, takes: u64) {
        let mut state = self.state.lock();
        state.polite += 1;
        // Without a limit on the number of rounds: if another task can run, it takes the World sooner or later, and if
        // none can any more, the condition fails.
        while state.takes == takes && !state.over && state.others(lane) != 0 {
            state.wait(|s| self.taken.wait_timeout(s, PATIENCE).unwrap_or_else(PoisonError::into_inner).0);
        }
        state.polite -= 1;
    }

    /// Puts the World back, and notes what its task does: one that waits for a lock cannot run, and whether others can
    /// decides how long a task retries for memory.
    pub(super) fn put(&self, mut world: Box<World>, lane: u8, held: Option<Held>, why: Pause) -> Put {
        let mut state = self.state.lock();
        let bit = 1 << lane;
        state.looking = state.looking & !bit | if world.is_looking() { bit } else { 0 };
        // All waiting tasks try again, not only those that wait for the released lock: the World does not say which
        // lock it was, and a task whose lock is still held waits again.
        if world.take_released() {
            state.blocked = 0;
            state.releases += 1;
            self.released.notify_all();
        }
        match why {
            // After the release above: a task that released one lock and then waits for another must stay marked.
            Pause::Blocked => state.blocked |= bit,
            Pause::Finished => {
                state.lanes &= !bit;
                state.ended |= bit;
            }
            _ => {}
        }
        // In a run on fibers the scheduler finds this; here no thread has an overview but the one that puts the World
        // back.
        // A task that waits for one that has ended waits for ever, too.
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
        // Relaxed is enough for a hint: the lock orders the World itself.
        self.here.store(true, Ordering::Relaxed);
        if state.sleeping > 0 {
            self.free.notify_one();
        }
        put
    }

    /// Sleeps until a lock is released after the first `releases`, or the program is over.
    pub(super) fn wait_release(&self, releases: u64) {
        let mut state = self.state.lock();
        while state.releases == releases && !state.over {
            state.wait(|s| self.released.wait(s).unwrap_or_else(PoisonError::into_inner));
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
    fn a_task_stopped_within_a_round_for_memory_still_retries() {
        let mut world = Box::new(World::new(0).unwrap());
        world.note_retry(1);
        let common = Common::new(world, 0b11, Grain::Points);
        let world = common.take(0);
        put(&common, world, 0, Pause::Retrying);
        // Task 0 goes on within its round and is preempted there, so nothing but the flag in the World says that it
        // retries.
        let world = common.take(0);
        put(&common, world, 0, Pause::Preempted);
        let mut world = common.take(1);
        assert!(world.is_alone());
        world.switch_to(0);
        world.stop_looking();
        put(&common, world, 0, Pause::Preempted);
        assert!(!common.take(1).is_alone(), "task 0 has found memory");
    }

    #[test]
    fn every_attempt_is_a_turn_and_a_waiting_task_cannot_help() {
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
    fn a_resting_task_goes_on_once_another_has_had_the_world() {
        let common = Common::new(Box::new(World::new(0).unwrap()), 0b11, Grain::Points);
        let world = common.take(0);
        let before = put(&common, world, 0, Pause::Retrying);
        let world = common.take(1);
        put(&common, world, 1, Pause::Retrying);
        common.rest(0, before.takes);
    }
}
