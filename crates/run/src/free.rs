// SPDX-License-Identifier: GPL-2.0-only
//! A program's tasks on real threads. No strategy says whose turn it is; what happened is recorded as a schedule.
//!
//! Fibers switch at scheduling points only, so between two of them a task is alone. Threads use the World in turn, too,
//! but code of the tenant between its calls overlaps, and a thread sanitizer sees accesses that race. The price is that
//! the order cannot be chosen, only recorded.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::exec::Shared;
use super::lane::Lane;
use super::session::{Ended, Session, Watch};
use super::strategy::Recorder;
use percuss_kernel::limits;
use percuss_oracle::ContentError;
use percuss_program::{Op, Program, Turn};
use percuss_tenant::{KernelC, Opened};
use percuss_world::Host;
use percuss_world::fiber::Pause;
use percuss_world::sample::Contents;
use percuss_world::threads::{Common, Grain, Held, Seat};

/// How a free run ended, and what it did.
#[derive(Debug)]
pub struct Free {
    pub ended: Ended,
    /// The times that tasks had the World, as a schedule. With [`Grain::Points`] the program does the same again under
    /// it, on fibers.
    pub turns: Vec<Turn>,
}

/// The threads of free runs. There may be fewer than a program has tasks; a thread takes task after task.
#[derive(Debug)]
pub enum Threads {
    /// They stay from run to run, since starting one takes longer than a short program.
    Pool(ThreadPool),
    /// As many as this are made for each run, which a thread sanitizer sees begin and end. How those of a pool meet it
    /// does not see, since the standard library's locks are not built for it, and it would report races that are none.
    Fresh(usize),
}

impl Threads {
    /// A pool of `count` threads, one at least.
    ///
    /// # Errors
    /// The system has no threads.
    pub fn pool(count: usize) -> io::Result<Threads> {
        let pool = ThreadPoolBuilder::new().num_threads(count.max(1)).thread_name(|i| format!("soak {i}"));
        Ok(Threads::Pool(pool.build().map_err(io::Error::other)?))
    }

    pub fn count(&self) -> usize {
        match self {
            Threads::Pool(pool) => pool.current_num_threads(),
            Threads::Fresh(count) => (*count).max(1),
        }
    }

    /// Does something on every thread of a pool, when it has nothing else to do, and does not wait for it. With fresh
    /// threads there is none that could.
    pub fn each_later(&self, f: impl Fn() + Send + Sync + 'static) {
        if let Threads::Pool(pool) = self {
            pool.spawn_broadcast(move |_| f());
        }
    }

    /// Does something on every thread, and waits for all of them. A panic on one goes on in the caller.
    pub fn each(&self, f: impl Fn() + Sync) {
        match self {
            Threads::Pool(pool) => {
                pool.broadcast(|_| f());
            }
            Threads::Fresh(_) => std::thread::scope(|scope| {
                let threads: Vec<_> = (0..self.count()).map(|_| scope.spawn(&f)).collect();
                // Joined one by one: at the end of a scope the standard library waits by means that a thread sanitizer
                // does not see.
                for thread in threads {
                    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                }
            }),
        }
    }
}

/// What the threads of a run share.
struct FreeRun<'p> {
    program: &'p Program,
    opened: Opened,
    common: Arc<Common>,
    first_pages: u64,
    contents: Contents,
    /// The next task that no thread has taken.
    next: AtomicUsize,
    /// Threads start together, however long the system takes to wake one: a short task would end before the next
    /// begins.
    start: Barrier,
    /// What each task found in its areas. Each task has a place of its own, for a thread sanitizer does not see that a
    /// lock of the standard library orders two threads.
    content: Vec<Mutex<Vec<(usize, u32, ContentError)>>>,
    failed: Mutex<Option<io::Error>>,
}

impl Session<KernelC> {
    /// Runs a program on a freshly booted image, each task on a thread of its own; a thread whose task has ended takes
    /// the next one, as when a thread dies and another is born. The drain is not run by threads.
    ///
    /// # Errors
    /// The system has no memory for stacks.
    pub fn run_free(
        &mut self,
        program: &Program,
        threads: &Threads,
        grain: Grain,
        watch: &mut impl Watch<KernelC>,
    ) -> io::Result<Free> {
        self.power_off();
        self.load(program)?;
        if let Some(ended) = self.boot(program) {
            self.finish();
            return Ok(Free { ended, turns: Vec::new() });
        }
        let shared = self.shared();
        shared.host.world_mut().press(program);
        // The lanes that begin at once. A task beyond the number of threads begins when another has ended.
        let lanes = (1 << program.tasks.len().min(threads.count())) - 1;
        let run = FreeRun {
            program,
            opened: shared.tenant.open(),
            common: Common::new(shared.host.take_world(), lanes, grain),
            first_pages: shared.first_pages.get(),
            contents: shared.contents.get(),
            next: AtomicUsize::new(0),
            start: Barrier::new(threads.count()),
            content: program.tasks.iter().map(|_| Mutex::default()).collect(),
            failed: Mutex::default(),
        };
        threads.each(|| run.work());
        // All threads are done: the World is the session's again, with the log of the run.
        let (world, held) = run.common.end().expect("every thread has put the World back");
        let stopped = world.stopped().is_some();
        shared.host.put_world(world);
        for content in &run.content {
            shared.content.borrow_mut().append(&mut unpoisoned(content));
        }
        let failed = unpoisoned(&run.failed).take();
        // It has the tenant open, which is closed next.
        drop(run);
        self.shared().tenant.close();
        if let Some(error) = failed {
            return Err(error);
        }
        let ended = if stopped { Ended::Stopped } else { self.drain(watch) };
        self.finish();
        Ok(Free { ended, turns: turns(&held) })
    }
}

/// Locks, whether or not a thread panicked with the lock held: what it protects is a list, and each entry is whole.
fn unpoisoned<T>(lock: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

thread_local! {
    /// The task that this thread runs, and what it shares with others, for [`so_far`], which is called where nothing
    /// can be passed on.
    static RUNS: RefCell<Option<(Arc<Common>, usize)>> = const { RefCell::new(None) };
}

/// The tasks that had the World until now in the run that this thread has a task of, as turns, and then that task to
/// the end of its op. A thread that dies in the tenant reports this, so that its end can be replayed. None when it has
/// no task.
pub fn so_far() -> Option<Vec<Turn>> {
    RUNS.with(|runs| {
        let runs = runs.try_borrow().ok()?;
        let (common, task) = runs.as_ref()?;
        let mut turns = turns(&common.held_so_far()?);
        turns.push(Turn::op(*task));
        Some(turns)
    })
}

/// The times that tasks had the World, as turns: consecutive ones of a task are one.
fn turns(held: &[Held]) -> Vec<Turn> {
    let mut recorder = Recorder::default();
    for h in held {
        recorder.took(Turn::points(usize::from(h.lane), h.points), h.at_point);
    }
    recorder.turns().to_vec()
}

impl FreeRun<'_> {
    fn work(&self) {
        self.start.wait();
        let mut lane = match Lane::new() {
            Ok(lane) => lane,
            Err(error) => {
                unpoisoned(&self.failed).get_or_insert(error);
                return;
            }
        };
        loop {
            // Relaxed is enough: the number is all that threads exchange here.
            let task = self.next.fetch_add(1, Ordering::Relaxed);
            match self.program.tasks.get(task) {
                Some(ops) if self.task(&mut lane, task, ops) => {}
                _ => return,
            }
        }
    }

    /// Runs a task to its end; false when the program is over.
    fn task(&self, lane: &mut Lane, task: usize, ops: &[Op]) -> bool {
        let host = Host::of_thread(Seat::new(Arc::clone(&self.common), task));
        // Ops are found by the task's number, though this thread has one task only.
        let mut all = vec![Vec::new(); task + 1];
        all[task] = ops.to_vec();
        let shared = Rc::new(Shared {
            tenant: KernelC::join(&self.opened, host.clone()),
            host,
            ops: RefCell::new(all),
            shrinkers: RefCell::new(self.program.shrinkers.clone()),
            handlers: RefCell::new(self.program.handlers.clone()),
            scopes: RefCell::new((0..=limits::TASKS).map(|_| Vec::with_capacity(super::exec::SCOPES)).collect()),
            content: RefCell::default(),
            contents: Cell::new(self.contents),
            doubt: Cell::new(false),
            cleared: Cell::new(0),
            first_pages: Cell::new(self.first_pages),
        });
        super::session::start_task(lane, &shared, task);
        RUNS.set(Some((Arc::clone(&self.common), task)));
        let finished = loop {
            match lane.resume(&shared) {
                // The end of an op is a scheduling point.
                Pause::Yielded => shared.host.point(),
                pause => break pause == Pause::Finished,
            }
        };
        // The World goes to the next thread. In a run that was stopped, it has gone already.
        if finished {
            shared.host.finish();
        }
        // A thread that dies after this does not die of the task.
        RUNS.set(None);
        lane.abandon();
        unpoisoned(&self.content[task]).append(&mut shared.content.borrow_mut());
        finished
    }
}
