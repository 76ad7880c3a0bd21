// SPDX-License-Identifier: GPL-2.0-only
//! A thread's place among those that share a World. A [`Host`](crate::Host) of a thread has one and takes and returns
//! the World through it.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use super::common::{Common, Grain, Held};
use super::fiber::{self, Pause};
use crate::world::World;

/// How long a thread that looks for data races now and then waits before a call, so that what it did since the last one
/// is not yet ordered before what others do. KCSAN, the kernel's race detector, delays a task by 80 microseconds unless
/// configured otherwise (`CONFIG_KCSAN_UDELAY_TASK`); other values were not tried here.
const STALL: Duration = Duration::from_micros(80);

/// The start of the random numbers. It must not be 0, from which a xorshift generator does not get away.
const DICE: u32 = 0x9e37_79b9;

#[derive(Debug)]
pub struct Seat {
    common: Arc<Common>,
    lane: u8,
    /// The context in which the task goes on: its own, or the worker's while it runs the work item.
    context: Cell<usize>,
    /// Scheduling points passed since the thread had the World last.
    points: Cell<u32>,
    dice: Cell<u32>,
}

impl Seat {
    /// The place of a task. The task counts as one that can run from here until `finish`, so other tasks are not
    /// alone meanwhile.
    pub fn new(common: Arc<Common>, task: usize) -> Seat {
        common.join(task);
        Seat { common, lane: task as u8, context: Cell::new(task), points: Cell::new(0), dice: Cell::new(DICE) }
    }

    /// Notes that the task has ended. `world` is the World if the thread has it.
    pub(crate) fn finish(&self, world: Option<Box<World>>) {
        // Only the World's owner may mark the task as ended, so a thread without it takes it once more.
        let mut world = world.unwrap_or_else(|| self.common.take(self.lane));
        let points = self.points.get() + 1;
        let held = world.stopped().is_none().then_some(Held { lane: self.lane, points, at_point: false });
        // In a replay, the fiber is resumed once more to find that no op is left, which switches to its context.
        world.switch_to(self.context.get());
        self.common.put(world, self.lane, held, Pause::Finished);
    }

    /// Waits for the World and makes it run this thread's task. Never returns to a task whose program is over: its
    /// fiber is paused for good.
    pub(crate) fn take(&self) -> Box<World> {
        // Before anything is locked: taking a lock orders what this thread did before what others do next.
        if self.common.grain == Grain::Calls && self.roll() {
            std::thread::sleep(STALL);
        }
        let mut world = self.common.take(self.lane);
        // The World must not stay here: other threads need it to find that the program is over.
        while world.stopped().is_some() {
            self.common.put(world, self.lane, None, Pause::Stopped);
            fiber::pause(Pause::Stopped);
            world = self.common.take(self.lane);
        }
        world.switch_to(self.context.get());
        world
    }

    /// True one time in sixteen, at random: with a fixed pattern, two threads could fall into step. Each seat starts
    /// from the same number and adds its lane, so a thread needs no source of randomness.
    fn roll(&self) -> bool {
        let mut dice = self.dice.get() ^ u32::from(self.lane) << 8;
        dice ^= dice << 13;
        dice ^= dice >> 17;
        dice ^= dice << 5;
        self.dice.set(dice);
        dice.is_multiple_of(16)
    }

    /// Whether the World is put back after taking a lock, see [`Grain::Calls`].
    pub(crate) fn yields_early(&self) -> bool {
        self.common.grain == Grain::Calls
    }

    pub(crate) fn pass(&self) {
        self.points.update(|n| n + 1);
    }

    /// Puts the World back for the reason given, and returns when the task may go on. It does not take the World again;
    /// the next call that needs it does, so the code until then runs in parallel with other threads.
    pub(crate) fn yield_world(&self, world: Box<World>, why: Pause) {
        self.context.set(world.current());
        let at_point = why == Pause::Preempted;
        // The point at which the turn ends counts, hence one more than those passed.
        let held = Held { lane: self.lane, points: self.points.take() + 1, at_point };
        let put = self.common.put(world, self.lane, Some(held), why);
        match why {
            Pause::Blocked => self.common.wait_release(put.releases),
            Pause::Stopped => fiber::pause(Pause::Stopped),
            Pause::Retrying => self.common.rest(self.lane, put.takes),
            // Always waiting for another thread would make every point a switch, and no task would ever pass two in a
            // row.
            Pause::Preempted if self.roll() => self.common.pass_on(self.lane),
            _ => {}
        }
    }
}
