// SPDX-License-Identifier: GPL-2.0-only
//! A session: one tenant on one World, which runs programs one after the other.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use super::exec::{Shared, drain_begin};
use super::lane::Lane;
use super::strategy::{Recorder, Replay, Strategy};
use super::turns::{Next, Place, Ready, Step, Turns};
use percuss_kernel::event::{Event, Site};
use percuss_kernel::{DRAIN, Geometry, KSWAPD, Layout, Lock, Tenant, Touched, limits};
use percuss_program::{Program, Turn};
use percuss_world::Host;
use percuss_world::fiber::Pause;

/// A tenant on its World with the fibers its calls run on.
#[derive(Debug)]
pub struct Session<T> {
    shared: Rc<Shared<T>>,
    lanes: Vec<Lane>,
    /// Geometry of the boot that can be gone back to.
    booted: Option<Geometry>,
    boot_result: Rc<Cell<BootResult>>,
    layout: Rc<RefCell<Layout>>,
    next: Vec<usize>,
    recorder: Recorder,
    /// Where each lane is.
    places: [Place; limits::TASKS + 1],
    /// Where turns ended.
    trail: Vec<Step>,
    /// kswapd is on its lane.
    kswapd_started: bool,
    /// Ops run, for the digests of the whole state.
    ran: u64,
}

/// Every how many ops the log gets a digest of the whole state; one more follows the drain.
const STATE_EVERY: u64 = 64;

/// Who can have ops.
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
    /// The first-chunk builder failed with this errno: nothing ran.
    BootFailed(i32),
    /// The World stopped it; the last event says why.
    Stopped,
}

/// What a program did between ops, for those who watch.
pub trait Watch<T: Tenant> {
    /// An op (or the drain, `op == DRAIN`) has ended; the tenant is not running.
    fn op_done(&mut self, shared: &Shared<T>, op: u32);
}

/// Watches nothing.
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
            lanes: vec![Lane::new()?],
            booted: None,
            boot_result: Rc::new(Cell::new(BootResult::Running)),
            layout: Rc::default(),
            next: Vec::new(),
            recorder: Recorder::default(),
            places: [Place::default(); limits::TASKS + 1],
            trail: Vec::new(),
            kswapd_started: false,
            ran: 0,
        })
    }

    /// Where the turns of the last run ended.
    pub fn trail(&self) -> &[Step] {
        &self.trail
    }

    /// What the fibers share: World and tenant.
    pub fn shared(&self) -> &Shared<T> {
        &self.shared
    }

    /// Forgets the boot, so that the next program boots.
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
        self.places.fill(Place::default());
        self.trail.clear();
        self.load(program)?;
        if let Some(ended) = self.boot(program) {
            self.finish();
            return Ok(ended);
        }
        let ended = self.schedule(program, strategy, watch);
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
        while self.lanes.len() < program.tasks.len() + 1 {
            self.lanes.push(Lane::new()?);
        }
        self.shared.shrinkers.borrow_mut().clone_from(&program.shrinkers);
        self.shared.handlers.borrow_mut().clone_from(&program.handlers);
        let mut ops = self.shared.ops.borrow_mut();
        ops.resize_with(program.tasks.len(), Vec::new);
        for (mine, theirs) in ops.iter_mut().zip(&program.tasks) {
            mine.clone_from(theirs);
        }
        self.shared.host.world_mut().look(self.shared.contents.get());
        self.shared.doubt.set(false);
        self.shared.cleared.set(0);
        self.shared.host.world_mut().areas_mut().clear();
        self.shared.scopes.borrow_mut().iter_mut().for_each(Vec::clear);
        self.shared.content.borrow_mut().clear();
        Ok(())
    }

    /// Boots, or goes back to the end of the last boot; Some when nothing can run.
    pub(super) fn boot(&mut self, program: &Program) -> Option<Ended> {
        let host = &self.shared.host;
        let boot_faults = program.faults.iter().any(|f| f.site == Site::Memblock);
        if self.booted == Some(program.boot) && !boot_faults && !host.world().wants_boot() {
            host.world_mut().reset(&program.faults);
            self.shared.tenant.restore();
            return None;
        }
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
            BootResult::Running => Some(Ended::Stopped),
        }
    }

    /// Runs the tasks as the strategy says, then the drain.
    fn schedule(&mut self, program: &Program, strategy: &mut dyn Strategy, watch: &mut impl Watch<T>) -> Ended {
        let tasks = program.tasks.len();
        self.ran = 0;
        self.kswapd_started = false;
        self.next.clear();
        self.next.resize(tasks, 0);
        (0..tasks).for_each(|t| start_task(&mut self.lanes[t], &self.shared, t));
        self.shared.host.world_mut().press(program);
        let mut turns = Turns::new(tasks);
        loop {
            let kswapd = self.kswapd_runs(tasks);
            let ready = match turns.next(kswapd) {
                Next::Somebody(ready) => ready,
                Next::Done => return self.drain(watch),
                Next::Deadlock => {
                    self.shared.host.world_mut().deadlock(turns.finished());
                    return Ended::Stopped;
                }
            };
            let handlers = self.shared.handlers.borrow().len();
            let ready = ready.with_handlers((0..handlers).filter(|handler| self.can_fire(*handler, ready)));
            let turn = self.choose(ready, strategy);
            // An interrupt is a matter of the lane that it interrupts.
            let lane = if turn.fires().is_some() { ready.last() } else { None }.unwrap_or(usize::from(turn.lane));
            self.shared.host.world_mut().set_alone(turns.alone(lane, kswapd));
            let pause = match turn.fires() {
                Some(handler) => self.fire(handler, lane.min(tasks), tasks, watch),
                None => self.take(turn, tasks, watch),
            };
            // A full schedule has its last turn: what follows is what happens when a replay has used it up.
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
        // What is recorded is to fit into a program; behind it the rules for a schedule that is used up hold.
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

    /// The handler can start on top of the lane whose turn was last: it can go on, and its interrupts are on.
    fn can_fire(&self, handler: usize, ready: Ready) -> bool {
        let tasks = self.shared.ops.borrow().len();
        let Some(lane) = ready.last().map(|lane| &self.lanes[lane.min(tasks)]) else { return false };
        let hard = self.shared.handlers.borrow().get(handler).map(|h| h.hard);
        hard.is_some_and(|hard| !lane.handles() && self.shared.host.world().takes_interrupt(lane.context, hard))
    }

    /// Runs a handler on top of a lane, to its end if it need not wait.
    fn fire(&mut self, handler: usize, lane: usize, tasks: usize, watch: &mut impl Watch<T>) -> Pause {
        self.shared.host.grant(Host::NO_END);
        let shared = self.shared.clone();
        self.lanes[lane].fire(move || shared.handle(handler));
        self.step(lane, tasks, watch)
    }

    /// Runs a lane to the end of its turn.
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
                Pause::Yielded => Place { op: place.op + 1, point: 0 },
                _ => Place { point: place.point + (passed - counted), ..*place },
            };
            match pause {
                // The end of an op is a scheduling point, too.
                Pause::Yielded if turn.preempts() && !self.shared.host.pass() => {}
                pause => return pause,
            }
            counted = granted - self.shared.host.left();
        }
    }

    /// Notes where a turn ended.
    fn went(&mut self, lane: usize, fires: Option<usize>, pause: Pause) {
        let waits = !matches!(pause, Pause::Preempted | Pause::Yielded);
        let fires = fires.map(|handler| handler as u8);
        let step = Step { lane: lane as u8, place: self.places[lane], waits, fires };
        match self.trail.last_mut() {
            Some(last) if last.lane == step.lane && last.fires.is_none() && fires.is_none() => *last = step,
            _ => self.trail.push(step),
        }
    }

    /// kswapd is awake; puts it on its lane when it has just been woken.
    fn kswapd_runs(&mut self, lane: usize) -> bool {
        let awake = self.shared.host.world().kswapd_awake();
        if awake && !std::mem::replace(&mut self.kswapd_started, true) {
            let shared = self.shared.clone();
            self.lanes[lane].start(KSWAPD, move || shared.host.kswapd());
        }
        awake || self.kswapd_started
    }

    fn step(&mut self, lane: usize, tasks: usize, watch: &mut impl Watch<T>) -> Pause {
        let context = self.lanes[lane].context;
        self.shared.host.world_mut().switch_to(context);
        let pause = self.lanes[lane].resume(&self.shared);
        self.lanes[lane].context = self.shared.host.world().current();
        if lane == tasks {
            self.kswapd_started = pause != Pause::Finished;
        } else if pause == Pause::Yielded {
            self.ran += 1;
            // Not while another task is changing the state.
            if self.ran.is_multiple_of(STATE_EVERY) && !self.shared.host.world().is_held(Lock::Pcpu) {
                self.note_state();
            }
            watch.op_done(&self.shared, percuss_kernel::op_number(lane, self.next[lane]));
            self.next[lane] += 1;
        }
        pause
    }

    fn note_state(&self) {
        let digest = self.shared.tenant.digest_all();
        self.shared.host.world_mut().push_event(Event::State { digest });
    }

    /// Frees what is left and lets the worker finish: what remains then is the allocator's.
    pub(super) fn drain(&mut self, watch: &mut impl Watch<T>) -> Ended {
        let shared = self.shared.clone();
        self.lanes[0].start(0, move || {
            drain_begin(&shared.host);
            loop {
                let last = shared.host.world().areas().live().last().map(|a| a.ptr);
                let Some(ptr) = last else { break };
                shared.free_ptr(DRAIN, ptr);
            }
            while shared.balance() {}
        });
        self.shared.host.world_mut().calm();
        self.shared.host.grant(Host::NO_END);
        match self.lanes[0].resume(&self.shared) {
            Pause::Finished => {
                self.note_state();
                watch.op_done(&self.shared, DRAIN);
                Ended::Whole
            }
            Pause::Stopped => Ended::Stopped,
            // An unsafe caller ended with a lock held.
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

/// Puts the ops of a task on a lane, which yields after each.
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
