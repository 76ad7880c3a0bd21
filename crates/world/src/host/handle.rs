// SPDX-License-Identifier: GPL-2.0-only
//! `Host`: a World shared by all fibers of a run, or one thread's way to a World that several threads use. It also
//! counts the scheduling points of a turn.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::rc::Rc;

use crate::tasks::fiber::{self, Pause};
use crate::tasks::threads::Seat;
use crate::world::World;
use percuss_kernel::event::{Event, Stop};

/// A World that tenants can call; clones are the same World.
///
/// Between calls, its user may borrow the World by [`Host::world`] and [`Host::world_mut`]. Such a borrow must end
/// before anything that may switch tasks: a tenant call, [`Host::point`], [`Host::stop`]. The next task would find the
/// World borrowed and panic.
#[derive(Debug, Clone)]
pub struct Host(Rc<Inner>);

const THERE: &str = "the World is given away only while threads use it";

#[derive(Debug)]
struct Inner {
    /// None while another thread has it, or after [`Host::take_world`].
    world: RefCell<Option<Box<World>>>,
    /// Where the World comes from, when threads share it.
    seat: Option<Seat>,
    /// Scheduling points that are left of the running task's turn.
    points: Cell<u64>,
}

impl Host {
    /// A World of its own, used by the fibers of one thread. A turn lasts until [`Host::grant`] says otherwise.
    pub fn new(world: World) -> Host {
        let world = RefCell::new(Some(Box::new(world)));
        Host(Rc::new(Inner { world, seat: None, points: Cell::new(Host::NO_END) }))
    }

    /// A thread's way to the World that it shares. Other threads may run at every scheduling point, hence a turn of
    /// one.
    pub fn of_thread(seat: Seat) -> Host {
        Host(Rc::new(Inner { world: RefCell::new(None), seat: Some(seat), points: Cell::new(1) }))
    }

    /// Takes the World out, until [`Host::put_world`]. Every other call panics meanwhile.
    ///
    /// # Panics
    /// The World is out already.
    pub fn take_world(&self) -> Box<World> {
        self.0.world.take().expect(THERE)
    }

    pub fn put_world(&self, world: Box<World>) {
        self.0.world.replace(Some(world));
    }

    /// Waits for the World, when threads share it and this one does not have it. Every access to the World goes through
    /// this, so a thread takes it with its first call after a scheduling point.
    #[inline]
    fn hold(&self) {
        if let Some(seat) = &self.0.seat
            && self.0.world.borrow().is_none()
        {
            self.put_world(seat.take());
        }
    }

    /// Points of a turn that ends only when the task has to wait or ends its op. No run passes as many, so the count
    /// never reaches 0.
    pub const NO_END: u64 = u64::MAX;

    #[inline]
    pub fn world(&self) -> Ref<'_, World> {
        self.hold();
        Ref::map(self.0.world.borrow(), |w| w.as_deref().expect(THERE))
    }

    #[inline]
    pub fn world_mut(&self) -> RefMut<'_, World> {
        self.hold();
        RefMut::map(self.0.world.borrow_mut(), |w| w.as_deref_mut().expect(THERE))
    }

    /// Starts a turn: the running task is preempted at the `points`-th scheduling point from here.
    pub fn grant(&self, points: u64) {
        self.0.points.set(points);
    }

    pub fn left(&self) -> u64 {
        self.0.points.get()
    }

    /// Counts a scheduling point; true when the turn ends here. The count wraps below 0, so a turn that has ended does
    /// not end again at each further point.
    #[inline]
    pub fn pass(&self) -> bool {
        // A turn without an end begins with the largest number, which no run counts down.
        let left = self.0.points.get().wrapping_sub(1);
        self.0.points.set(left);
        left == 0
    }

    /// A scheduling point: other tasks may run here. There is one wherever a call makes visible what the task did, or
    /// may see what others did. Each belongs to an event, so that all tenants have the same points and a schedule means
    /// the same for each.
    #[inline]
    pub fn point(&self) {
        // This is the hot path of every call: a decrement and a comparison, no borrow of the World.
        if self.pass() {
            // The World is not borrowed here, as the next task borrows it.
            self.pause(Pause::Preempted);
        }
    }

    pub fn arena_base(&self) -> u64 {
        self.world().space.arena.base()
    }

    /// Ends the program with this reason, unless it has ended before. The calling fiber is never resumed; it pauses in
    /// a loop because nothing may run after it even if a runner resumes it by mistake.
    pub fn stop(&self, reason: Stop) -> ! {
        self.world_mut().end(reason);
        loop {
            self.pause(Pause::Stopped);
        }
    }

    /// Returns control to the runner of the calling task, which does what `why` asks for; returns when the task goes
    /// on. No borrow of the World may be alive here.
    pub(crate) fn pause(&self, why: Pause) {
        match &self.0.seat {
            // The runner of this thread's fibers also runs its shrinkers.
            Some(seat) if !matches!(why, Pause::Shrink(_)) => self.pause_thread(seat, why),
            _ => fiber::pause(why),
        }
    }

    fn pause_thread(&self, seat: &Seat, why: Pause) {
        // The next point ends a turn again: each thread gives the World away at every point.
        self.grant(1);
        // The thread gives the World away, if it has it. A point that it passes without the World is only counted.
        match self.0.world.take() {
            Some(world) => seat.yield_world(world, why),
            None => seat.pass(),
        }
    }

    /// Notes that the thread's task has ended.
    pub fn finish(&self) {
        if let Some(seat) = &self.0.seat {
            seat.finish(self.0.world.take());
        }
    }

    /// A lock of the allocator was taken. Threads that look for data races put the World back here.
    pub(crate) fn locked(&self) {
        if let Some(seat) = &self.0.seat
            && seat.yields_early()
        {
            // A pause without a scheduling point: no schedule could repeat it, and none has to.
            self.pause_thread(seat, Pause::Preempted);
        }
    }

    pub(crate) fn emit(&self, e: Event) {
        let mut w = self.world_mut();
        w.emit(e);
        if w.endless() {
            // stop() borrows the World again.
            drop(w);
            self.stop(Stop::StepLimit);
        }
    }
}
