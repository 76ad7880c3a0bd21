// SPDX-License-Identifier: GPL-2.0-only
//! A session: one tenant on one World, which runs programs one after the other.
//!
//! A program is loaded; the machine boots, or is reset to the end of its last boot; the tasks run under a schedule; and
//! the drain frees what they left. A boot takes longer than most programs, so consecutive programs with one geometry
//! share it: the tenant's memory is saved after it and restored before each.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use super::exec::{Shared, drain_begin};
use super::lane::Lane;
use super::strategy::{Recorder, Replay, Strategy};
use super::turns::{OpPosition, TurnEnd};
use percuss_kernel::event::{Event, Site};
use percuss_kernel::{DRAIN, Geometry, Layout, Tenant, Touched, limits};
use percuss_program::{Program, Turn};
use percuss_world::Host;
use percuss_world::fiber::Pause;

/// A tenant on its World with the fibers its calls run on. It is made once for a worker; stacks and buffers are kept
/// from program to program.
#[derive(Debug)]
pub struct Session<T> {
    pub(super) shared: Rc<Shared<T>>,
    pub(super) lanes: Vec<Lane>,
    /// The geometry of the last boot, if a reset may go back to it.
    booted: Option<Geometry>,
    boot_result: Rc<Cell<BootResult>>,
    layout: Rc<RefCell<Layout>>,
    /// Index of the next op of each task, by which an op that ends is numbered.
    pub(super) next: Vec<usize>,
    pub(super) recorder: Recorder,
    /// How far each lane has come, kswapd last. Strategies that align two runs ask for it.
    pub(super) places: [OpPosition; limits::TASKS + 1],
    /// Where the turns of the run ended.
    pub(super) trail: Vec<TurnEnd>,
    /// kswapd is on its lane and has not gone back to sleep.
    pub(super) kswapd_started: bool,
    /// Ops run so far, which decide when the state is digested.
    pub(super) ran: u64,
}

/// Ops between two digests of the whole state in the log; one more follows the drain. A digest walks all of the
/// allocator's state, so its cost grows with the chunks. The events of each op are compared anyway; a digest finds a
/// difference that has not shown in events yet.
pub(super) const STATE_EVERY: u64 = 64;

/// Owners of ops: tasks, shrinkers and handlers. Each has scopes of its own, since a handler must not end those of the
/// task that it interrupts.
const OWNERS: usize = limits::TASKS + limits::SHRINKERS + limits::HANDLERS;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BootResult {
    Running,
    Fine,
    Failed(i32),
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All ops ran and the drain after them.
    Whole,
    /// The first-chunk builder failed with this errno, as injected faults can make it: nothing ran.
    BootFailed(i32),
    /// The World stopped it, for the reason in the last event, such as a deadlock. The drain did not come to its end.
    Stopped,
}

/// Watches a program between ops. A watcher is called in the order in which ops end, from the scheduler and not from a
/// fiber, so it may borrow the World and ask the tenant for its state.
pub trait Watch<T: Tenant> {
    /// The op has ended, or the drain when it is `DRAIN`. Other tasks may be in the middle of theirs.
    fn op_done(&mut self, shared: &Shared<T>, op: u32);

    /// The machine has booted, and no op has begun.
    fn booted(&mut self, _: &Shared<T>) {}

    /// All ops have ended, and the drain has not begun. Not called for a program that stops.
    fn ops_done(&mut self, _: &Shared<T>) {}
}

/// Watches nothing: for runs of which only the log or the final state counts.
#[derive(Debug, Default, Clone, Copy)]
pub struct Unwatched;

impl<T: Tenant> Watch<T> for Unwatched {
    fn op_done(&mut self, _: &Shared<T>, _: u32) {}
}

impl<T: Tenant + 'static> Session<T> {
    /// Puts a tenant on its World.
    ///
    /// # Errors
    /// The system has no memory for a stack.
    pub fn new(host: Host, tenant: T) -> io::Result<Session<T>> {
        let shared = Shared {
            host,
            tenant,
            ops: RefCell::new(Vec::new()),
            shrinkers: RefCell::new(Vec::new()),
            handlers: RefCell::new(Vec::new()),
            scopes: RefCell::new((0..OWNERS).map(|_| Vec::with_capacity(super::exec::SCOPES)).collect()),
            content: RefCell::new(Vec::new()),
            contents: Cell::default(),
            doubt: Cell::new(false),
            cleared: Cell::new(0),
            first_pages: Cell::new(0),
        };
        Ok(Session {
            shared: Rc::new(shared),
            // Boot and drain run on the first lane.
            lanes: vec![Lane::new()?],
            booted: None,
            boot_result: Rc::new(Cell::new(BootResult::Running)),
            layout: Rc::default(),
            next: Vec::new(),
            recorder: Recorder::default(),
            places: [OpPosition::default(); limits::TASKS + 1],
            trail: Vec::new(),
            kswapd_started: false,
            ran: 0,
        })
    }

    pub fn trail(&self) -> &[TurnEnd] {
        &self.trail
    }

    pub fn shared(&self) -> &Shared<T> {
        &self.shared
    }

    /// Forgets the boot, so that the next program boots. For a tenant whose state no longer matches the World.
    pub fn power_off(&mut self) {
        self.booted = None;
    }

    /// Runs a program to its end, under its own schedule.
    ///
    /// # Errors
    /// The system has no memory for the stacks of the tasks.
    pub fn run(&mut self, program: &Program, watch: &mut impl Watch<T>) -> io::Result<Ended> {
        self.run_under(program, &mut Replay::new(&program.schedule), watch)
    }

    /// Runs a program to its end under the schedule of a strategy.
    ///
    /// # Errors
    /// See [`Session::run`].
    pub fn run_under(
        &mut self,
        program: &Program,
        strategy: &mut dyn Strategy,
        watch: &mut impl Watch<T>,
    ) -> io::Result<Ended> {
        self.recorder.clear();
        self.places.fill(OpPosition::default());
        self.trail.clear();
        self.load(program)?;
        if let Some(ended) = self.boot(program) {
            self.finish();
            return Ok(ended);
        }
        watch.booted(&self.shared);
        let ended = self.schedule(program, strategy, watch);
        // kswapd may be awake at the end and never have had a turn.
        if strategy.schedules_kswapd() && self.shared.host.world().kswapd_awake() {
            self.recorder.waiting(Turn::op(usize::from(Turn::KSWAPD)));
        }
        self.finish();
        Ok(ended)
    }

    /// The turns of the last program as they were taken: as its schedule they give the same run again.
    pub fn turns(&self) -> &[Turn] {
        self.recorder.turns()
    }

    pub(super) fn load(&mut self, program: &Program) -> io::Result<()> {
        // One lane more than tasks, for kswapd.
        while self.lanes.len() < program.tasks.len() + 1 {
            self.lanes.push(Lane::new()?);
        }
        self.shared.shrinkers.borrow_mut().clone_from(&program.shrinkers);
        self.shared.handlers.borrow_mut().clone_from(&program.handlers);
        let mut ops = self.shared.ops.borrow_mut();
        // Lists keep their memory from program to program.
        ops.resize_with(program.tasks.len(), Vec::new);
        for (mine, theirs) in ops.iter_mut().zip(&program.tasks) {
            mine.clone_from(theirs);
        }
        // Everything of the last program goes, and buffers keep their memory.
        self.shared.host.world_mut().look(self.shared.contents.get());
        self.shared.doubt.set(false);
        self.shared.cleared.set(0);
        self.shared.host.world_mut().areas_mut().clear();
        self.shared.scopes.borrow_mut().iter_mut().for_each(Vec::clear);
        self.shared.content.borrow_mut().clear();
        Ok(())
    }

    /// Boots, or goes back to the end of the last boot when that had the same geometry. Some when nothing can run.
    pub(super) fn boot(&mut self, program: &Program) -> Option<Ended> {
        let host = &self.shared.host;
        // Faults of memblock hit the boot itself, so a boot with them is neither reused nor kept.
        let boot_faults = program.faults.iter().any(|f| f.site == Site::Memblock);
        if self.booted == Some(program.boot) && !boot_faults && !host.world().wants_boot() {
            host.world_mut().reset(&program.faults);
            self.shared.tenant.restore();
            return None;
        }
        // Until this boot has succeeded there is none to go back to.
        self.booted = None;
        host.world_mut().power_on(&program.boot, &program.faults);
        self.boot_result.set(BootResult::Running);
        let (shared, result, layout) = (self.shared.clone(), self.boot_result.clone(), self.layout.clone());
        let geometry = program.boot;
        self.lanes[0].start(0, move || match shared.tenant.boot(&geometry) {
            Ok(l) => {
                layout.replace(l);
                result.set(BootResult::Fine);
            }
            Err(errno) => result.set(BootResult::Failed(errno)),
        });
        host.grant(Host::NO_END);
        // No other task exists yet, so a lane that yields at once goes on.
        while self.lanes[0].resume(&self.shared) == Pause::Yielded {}
        match self.boot_result.get() {
            BootResult::Fine => {
                host.world_mut().booted(Ok(self.layout.take()));
                self.shared.tenant.save();
                let first_pages = &self.shared.first_pages;
                self.shared.tenant.visit(Touched::All, &mut |g, _| first_pages.set(g.nr_populated));
                self.booted = (!boot_faults).then_some(program.boot);
                None
            }
            BootResult::Failed(errno) => {
                host.world_mut().booted(Err(errno));
                Some(Ended::BootFailed(errno))
            }
            // The fiber stopped in the middle of the boot.
            BootResult::Running => Some(Ended::Stopped),
        }
    }

    /// Logs a digest of the whole state of the tenant, which lockstep compares between two of them.
    pub(super) fn note_state(&self) {
        let digest = self.shared.tenant.digest_all();
        self.shared.host.world_mut().push_event(Event::State { digest });
    }

    /// Frees all areas that are left and lets the worker finish. What remains then, the allocator keeps, and the last
    /// digest of the log is of that state.
    pub(super) fn drain(&mut self, watch: &mut impl Watch<T>) -> Ended {
        let shared = self.shared.clone();
        self.lanes[0].start(0, move || {
            drain_begin(&shared.host);
            loop {
                // Bound, not matched on: the free below may switch.
                let last = shared.host.world().areas().live().last().map(|a| a.ptr);
                let Some(ptr) = last else { break };
                shared.free_ptr(DRAIN, ptr);
            }
            while shared.balance() {}
        });
        // What the program left behind, such as pressure, must not make the drain fail.
        self.shared.host.world_mut().calm();
        self.shared.host.grant(Host::NO_END);
        match self.lanes[0].resume(&self.shared) {
            Pause::Finished => {
                self.note_state();
                watch.op_done(&self.shared, DRAIN);
                Ended::Whole
            }
            Pause::Stopped => Ended::Stopped,
            // An unsafe caller ended with a lock held, for which the drain waits.
            _ => {
                self.shared.host.world_mut().deadlock(u32::MAX);
                Ended::Stopped
            }
        }
    }

    pub(super) fn finish(&mut self) {
        let stopped = {
            let mut w = self.shared.host.world_mut();
            w.settle();
            w.stopped().is_some()
        };
        self.lanes.iter_mut().for_each(Lane::abandon);
        if stopped {
            self.shared.host.world_mut().forget_poison();
            // The state snapshot is still good: it was taken after boot and the restore covers everything since.
            self.shared.host.world_mut().areas_mut().clear();
        }
    }
}

/// Puts the ops of a task on a lane, which yields after each. An op is copied out before it runs: a borrow of the list
/// must not live across a switch.
pub(super) fn start_task<T: Tenant + 'static>(lane: &mut Lane, shared: &Rc<Shared<T>>, task: usize) {
    let shared = Rc::clone(shared);
    lane.start(task, move || {
        for index in 0.. {
            let Some(op) = shared.ops.borrow()[task].get(index).copied() else { break };
            shared.execute(task, index, op);
            percuss_world::fiber::pause(Pause::Yielded);
        }
    });
}
