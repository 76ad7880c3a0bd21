// SPDX-License-Identifier: GPL-2.0-only
//! `Host`: a World shared by all fibers of a run, or one thread's way to a World that several threads use.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::rc::Rc;

use crate::tasks::fiber::{self, Pause};
use crate::tasks::threads::Seat;
use crate::world::World;
use percuss_kernel::event::{Event, Stop};

/// A World that tenants can call; clones are the same World.
#[derive(Debug, Clone)]
pub struct Host(Rc<Inner>);

/// Why a World is where it is looked for.
const THERE: &str = "the World is given away only while threads use it";

#[derive(Debug)]
struct Inner {
    /// None while another thread has it.
    world: RefCell<Option<Box<World>>>,
    /// Where it comes from, when threads use it.
    seat: Option<Seat>,
    /// Scheduling points that are left of the turn of whoever runs.
    points: Cell<u64>,
}

impl Host {
    /// Wraps a World.
    pub fn new(world: World) -> Host {
        let world = RefCell::new(Some(Box::new(world)));
        Host(Rc::new(Inner { world, seat: None, points: Cell::new(Host::NO_END) }))
    }

    /// A thread's way to the World that it shares. Others may run at every scheduling point.
    pub fn of_thread(seat: Seat) -> Host {
        Host(Rc::new(Inner { world: RefCell::new(None), seat: Some(seat), points: Cell::new(1) }))
    }

    /// Gives the World away, until it is put back.
    ///
    /// # Panics
    /// It is not there.
    pub fn take_world(&self) -> Box<World> {
        self.0.world.take().expect(THERE)
    }

    /// Puts the World back.
    pub fn put_world(&self, world: Box<World>) {
        self.0.world.replace(Some(world));
    }

    /// Takes the World, when threads share it and this one does not have it.
    #[inline]
    fn hold(&self) {
        if let Some(seat) = &self.0.seat
            && self.0.world.borrow().is_none()
        {
            self.put_world(seat.take());
        }
    }

    /// Points of a turn that no point ends.
    pub const NO_END: u64 = u64::MAX;

    /// Looks at the World between tenant calls.
    #[inline]
    pub fn world(&self) -> Ref<'_, World> {
        self.hold();
        Ref::map(self.0.world.borrow(), |w| w.as_deref().expect(THERE))
    }

    /// Changes the World between tenant calls.
    #[inline]
    pub fn world_mut(&self) -> RefMut<'_, World> {
        self.hold();
        RefMut::map(self.0.world.borrow_mut(), |w| w.as_deref_mut().expect(THERE))
    }

    /// Starts a turn: who runs is preempted at the `points`-th scheduling point from here.
    pub fn grant(&self, points: u64) {
        self.0.points.set(points);
    }

    /// Points that are left of the turn.
    pub fn left(&self) -> u64 {
        self.0.points.get()
    }

    /// Counts a scheduling point; true when the turn ends here.
    #[inline]
    pub fn pass(&self) -> bool {
        let left = self.0.points.get().wrapping_sub(1);
        self.0.points.set(left);
        left == 0
    }

    /// A scheduling point: others may run here. There is one wherever a call lets others see what the task did, or sees
    /// what they did; each belongs to an event, so that all tenants have the same.
    #[inline]
    pub fn point(&self) {
        if self.pass() {
            self.pause(Pause::Preempted);
        }
    }

    /// Absolute address of relative address 0.
    pub fn arena_base(&self) -> u64 {
        self.world().space.arena.base()
    }

    /// Scopes in force, as a mask in the order of [`Scope`].
    pub fn scopes(&self) -> u8 {
        let w = self.world();
        w.run.tasks[w.run.current].scopes()
    }

    /// Ends the program.
    pub fn stop(&self, reason: Stop) -> ! {
        self.world_mut().end(reason);
        loop {
            self.pause(Pause::Stopped);
        }
    }

    /// Lets whoever drives the calling task do what `why` asks for; returns when the task goes on.
    pub(crate) fn pause(&self, why: Pause) {
        match &self.0.seat {
            // A shrinker runs on this thread, whoever called for it.
            Some(seat) if !matches!(why, Pause::Shrink(_)) => self.pause_thread(seat, why),
            _ => fiber::pause(why),
        }
    }

    fn pause_thread(&self, seat: &Seat, why: Pause) {
        self.grant(1);
        match self.0.world.take() {
            Some(world) => seat.let_go(world, why),
            None => seat.pass(),
        }
    }

    /// The thread's task is done.
    pub fn finish(&self) {
        if let Some(seat) = &self.0.seat {
            seat.finish(self.0.world.take());
        }
    }

    /// A lock of the allocator was taken, which keeps others out of what it protects.
    pub(crate) fn locked(&self) {
        if let Some(seat) = &self.0.seat
            && seat.lets_go_early()
        {
            self.pause_thread(seat, Pause::Preempted);
        }
    }

    pub(crate) fn emit(&self, e: Event) {
        let mut w = self.world_mut();
        w.emit(e);
        if w.endless() {
            drop(w);
            self.stop(Stop::StepLimit);
        }
    }
}
