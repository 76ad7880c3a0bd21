// SPDX-License-Identifier: GPL-2.0-only
//! Driving a campaign: threads hand batches to worker processes and put the results together.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::judge::interleaving::Interleaving;
use crate::judge::{Batch, Like, Observation};
use crate::worker::schedule::{self, took, with_turns};
use crate::worker::{Lost, RETRIES, Reply, Request, SILENCE, Setup, Worker, cpu_limit};
use percuss_lockdep::Part;
use percuss_oracle::{Finding, OracleKind, crash};
use percuss_program::{Program, Turn};

/// Programs of one request, at most.
const BATCH: u64 = 256;
/// Programs of the first request of a search, and of the last ones of a campaign.
const FIRST: u64 = 16;
/// So many requests of one size are left when requests get smaller.
const TAPER: u64 = 16;
/// Programs that do not end, after which a campaign does: each costs a second, and one is enough to see why.
const HANGS: u64 = 16;
/// CPU time of a program while one that does not end is made small.
const SHORT_MS: u64 = 250;
/// Programs tried, at most, to make small what kills workers: every attempt may cost one.
const TRIES_APART: u32 = 1500;

/// How long a campaign lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// This many generated programs.
    Programs(u64),
    /// As many as fit.
    Time(Duration),
}

/// What a running campaign tells its display.
#[derive(Debug, Default)]
pub struct Progress {
    /// Programs examined.
    pub programs: AtomicU64,
    /// Ops that ran.
    pub ops: AtomicU64,
    /// Kinds of findings, known ones included.
    pub findings: AtomicU64,
    /// Memory of the worker, in bytes, where there is one that lasts.
    pub memory: AtomicU64,
    /// The campaign is to end now.
    pub stop: AtomicBool,
}

/// Results, put together in the order of the programs, so that it does not matter who is done first.
#[derive(Debug, Default)]
struct Merged {
    all: Batch,
    /// The program that the next batch to merge begins with.
    next: u64,
    /// Batches behind it by their first program, with the end of each.
    waiting: BTreeMap<u64, (u64, Batch)>,
}

impl Merged {
    fn put(&mut self, from: u64, to: u64, batch: Batch) {
        self.waiting.insert(from, (to, batch));
        while !self.full()
            && let Some((to, batch)) = self.waiting.remove(&self.next)
        {
            self.all.merge(batch);
            self.next = to;
        }
    }

    /// Enough programs did not end.
    fn full(&self) -> bool {
        self.all.hung >= HANGS
    }

    /// The whole; batches behind a gap count only where the campaign was not to be the same every time.
    fn finish(mut self, extent: Extent) -> Batch {
        if !self.full() {
            self.waiting.into_values().for_each(|(_, b)| self.all.merge(b));
        }
        if let Extent::Programs(n) = extent {
            self.all.not_run = n.saturating_sub(self.all.programs);
        }
        self.all.sort();
        self.all
    }
}

/// Where the batch that begins with program `from` of `total` ends. Batches get smaller towards the end, so that no worker
/// is idle while another has much to do. Nothing else decides: batches are the same for any number of workers.
fn end_of(from: u64, total: u64) -> u64 {
    let left = total.saturating_sub(from);
    from + (left / TAPER).clamp(FIRST, BATCH).min(left)
}

/// Runs generated programs on `jobs` workers.
///
/// # Errors
/// No worker can be started.
pub fn generated(setup: &Setup, extent: Extent, jobs: usize, progress: &Progress) -> Result<Batch, Lost> {
    let started = Instant::now();
    let total = match extent {
        Extent::Programs(n) => n,
        Extent::Time(_) => u64::MAX,
    };
    let next = AtomicU64::new(0);
    let merged = Mutex::new(Merged::default());
    let failure = Mutex::new(None);
    // Once a program killed its worker others will: no batch is run twice any more.
    let step = AtomicBool::new(false);
    let work = || {
        let mut worker = None;
        loop {
            let taken = next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |from| Some(end_of(from, total)));
            let from = taken.expect("there is always an end");
            let over = matches!(extent, Extent::Time(t) if started.elapsed() >= t);
            if from >= total || over || progress.stop.load(Ordering::Relaxed) {
                return;
            }
            let to = end_of(from, total);
            match batch(setup, &mut worker, from, to, &step) {
                Ok(result) => {
                    progress.programs.fetch_add(result.programs, Ordering::Relaxed);
                    progress.ops.fetch_add(result.ops, Ordering::Relaxed);
                    let mut all = merged.lock().expect("no thread panics while it holds the result");
                    all.put(from, to, result);
                    progress.findings.store(all.all.found.len() as u64, Ordering::Relaxed);
                    if all.full() {
                        return;
                    }
                }
                Err(e) => {
                    failure.lock().expect("as above").get_or_insert(e);
                    progress.stop.store(true, Ordering::Relaxed);
                }
            }
        }
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs.max(1)).build().map_err(std::io::Error::other)?;
    pool.broadcast(|_| work());
    match failure.into_inner().expect("as above") {
        Some(e) => Err(e),
        None => Ok(merged.into_inner().expect("as above").finish(extent)),
    }
}

/// Runs generated programs `from..to` on one worker.
///
/// # Errors
/// No worker can be started.
pub fn span(setup: &Setup, from: u64, to: u64) -> Result<Batch, Lost> {
    batch(setup, &mut None, from, to, &AtomicBool::new(false))
}

/// Runs generated programs on one worker, a few at first, until `enough` says so of a batch, `limit` is over, or
/// somebody stops it.
///
/// # Errors
/// No worker can be started, or `enough` fails.
pub fn until(
    setup: &Setup,
    limit: Duration,
    progress: &Progress,
    mut enough: impl FnMut(&Batch) -> Result<bool, Lost>,
) -> Result<(), Lost> {
    let started = Instant::now();
    let (mut worker, step) = (None, AtomicBool::new(false));
    let (mut from, mut hung) = (0, 0);
    while hung < HANGS && started.elapsed() < limit && !progress.stop.load(Ordering::Relaxed) {
        let to = from + from.clamp(FIRST, BATCH);
        let batch = batch(setup, &mut worker, from, to, &step)?;
        progress.programs.fetch_add(batch.programs, Ordering::Relaxed);
        progress.ops.fetch_add(batch.ops, Ordering::Relaxed);
        if enough(&batch)? {
            return Ok(());
        }
        hung += batch.hung;
        from = to;
    }
    Ok(())
}

fn batch(setup: &Setup, worker: &mut Option<Worker>, from: u64, to: u64, step: &AtomicBool) -> Result<Batch, Lost> {
    if step.load(Ordering::Relaxed) {
        return stepwise(setup, worker, from, to);
    }
    match ask(setup, worker, &Request::Batch { from, to, step: false }) {
        Ok(Reply::Batch(b)) => Ok(*b),
        Ok(other) => Err(unexpected(&other)),
        Err(Lost::Killed(_)) => stepwise(setup, worker, from, to),
        Err(Lost::Died(_) | Lost::TimedOut) => {
            step.store(true, Ordering::Relaxed);
            stepwise(setup, worker, from, to)
        }
        Err(e) => Err(e),
    }
}

/// Runs a batch program by program: who kills its worker is a finding, the others' results stay.
fn stepwise(setup: &Setup, worker: &mut Option<Worker>, mut from: u64, to: u64) -> Result<Batch, Lost> {
    let mut all = Batch::default();
    let mut generator = setup.generator();
    let mut killed = 0;
    let mut turns = Vec::new();
    while from < to && all.hung < HANGS {
        let Err(lost) = steps(setup, worker, &mut from, to, (&mut all, &mut turns)) else { break };
        *worker = None;
        match lost {
            Lost::Killed(_) if killed < RETRIES => killed += 1,
            Lost::Died(_) | Lost::TimedOut => {
                all.programs += 1;
                all.hung += matches!(lost, Lost::TimedOut) as u64;
                let program = with_turns(generator.program(from), &turns);
                all.add(&crash(&lost, &program), from, || program.encode());
                from += 1;
                killed = 0;
            }
            e => return Err(e),
        }
    }
    Ok(all)
}

/// Runs programs from `from` on, which becomes the one that is running; `turns` are those that it has told of.
fn steps(
    setup: &Setup,
    worker: &mut Option<Worker>,
    from: &mut u64,
    to: u64,
    (all, turns): (&mut Batch, &mut Vec<Turn>),
) -> Result<(), Lost> {
    turns.clear();
    let worker = started(setup, worker)?;
    worker.ask(&Request::Batch { from: *from, to, step: true })?;
    loop {
        match worker.receive(SILENCE)? {
            Reply::Turn { lane, points, joins } => took(turns, Turn { lane, points }, joins),
            Reply::Batch(b) if b.programs == 0 => return Ok(()),
            Reply::Batch(b) => {
                all.merge(*b);
                *from += 1;
                turns.clear();
            }
            other => return Err(unexpected(&other)),
        }
    }
}

/// Generated program `index` with the schedule it runs under in a campaign.
///
/// # Errors
/// No worker can be started, or the program kills it.
pub fn as_it_runs(setup: &Setup, index: u64) -> Result<Program, Lost> {
    match insist(setup, &mut None, &Request::AsItRuns { index })? {
        Reply::Program { program } => Ok(Program::decode(&program)),
        other => Err(unexpected(&other)),
    }
}

/// The finding that a lost worker is.
pub fn crash(lost: &Lost, program: &Program) -> Finding {
    match lost {
        Lost::TimedOut => crash::endless(cpu_limit(program)),
        Lost::Died(how) => crash::died(how, lost.to_string()),
        _ => crash::lost(lost.to_string()),
    }
}

fn unexpected(reply: &Reply) -> Lost {
    Lost::Refused(format!("a worker said what it was not asked: {reply:?}"))
}

fn started<'w>(setup: &Setup, worker: &'w mut Option<Worker>) -> Result<&'w mut Worker, Lost> {
    match worker {
        Some(w) => Ok(w),
        None => Ok(worker.insert(Worker::start(setup)?)),
    }
}

/// Sends a request to a worker, started when there is none; a lost worker is forgotten.
fn ask(setup: &Setup, worker: &mut Option<Worker>, request: &Request) -> Result<Reply, Lost> {
    let w = started(setup, worker)?;
    // CPU time is limited program by program; this ends only what waits for ever.
    let programs = if let Request::Minimize { .. } | Request::Cut { .. } = request { 20 } else { 1 };
    let reply = w.ask(request).and_then(|()| w.receive(SILENCE * programs));
    if reply.is_err() {
        *worker = None;
    }
    reply
}

/// The same, tried again when somebody else ended the worker.
fn insist(setup: &Setup, worker: &mut Option<Worker>, request: &Request) -> Result<Reply, Lost> {
    for _ in 1..RETRIES {
        match ask(setup, worker, request) {
            Err(Lost::Killed(_)) => {}
            other => return other,
        }
    }
    ask(setup, worker, request)
}

/// Examines one program in a worker of its own; losing the worker is a finding.
///
/// # Errors
/// No worker can be started.
pub fn one(setup: &Setup, program: &Program) -> Result<Batch, Lost> {
    one_on(setup, &mut None, program, None)
}

pub(super) fn one_on(
    setup: &Setup,
    worker: &mut Option<Worker>,
    program: &Program,
    limit_ms: Option<u64>,
) -> Result<Batch, Lost> {
    match insist(setup, worker, &Request::One { program: program.encode(), limit_ms }) {
        Ok(Reply::One(b)) => Ok(*b),
        Ok(other) => Err(unexpected(&other)),
        Err(lost @ (Lost::Died(_) | Lost::TimedOut)) => {
            let hung = matches!(lost, Lost::TimedOut) as u64;
            let mut b = Batch { programs: 1, hung, ..Batch::default() };
            b.add(&crash(&lost, program), 0, || program.encode());
            Ok(b)
        }
        Err(e) => Err(e),
    }
}

/// Examines programs one by one, numbered from `first` on.
///
/// # Errors
/// No worker can be started.
pub fn listed(setup: &Setup, first: u64, programs: &[Program]) -> Result<Batch, Lost> {
    let mut all = Batch::default();
    let mut worker = None;
    for (index, program) in (first..).zip(programs) {
        let mut one = one_on(setup, &mut worker, program, None)?;
        one.found.iter_mut().for_each(|f| f.index = index);
        one.order.attribute(index);
        all.merge(one);
    }
    all.sort();
    Ok(all)
}

/// Runs one program in a worker of its own, with call sites recorded.
///
/// # Errors
/// No worker can be started, or the program kills it.
pub fn observe(setup: &Setup, program: &Program) -> Result<Observation, Lost> {
    match insist(setup, &mut None, &Request::Observe { program: program.encode() })? {
        Reply::Observed(seen) => Ok(*seen),
        other => Err(unexpected(&other)),
    }
}

/// Runs programs on one worker, with call sites recorded; None for one that kills it.
///
/// # Errors
/// No worker can be started.
pub fn observe_all(
    setup: &Setup,
    programs: impl Iterator<Item = Program>,
    mut see: impl FnMut(Option<Observation>),
) -> Result<(), Lost> {
    let mut worker = None;
    for program in programs {
        see(observe_on(setup, &mut worker, &program)?);
    }
    Ok(())
}

/// Runs one program on a worker, started when there is none, with call sites recorded; None when it ends the worker.
pub(super) fn observe_on(
    setup: &Setup,
    worker: &mut Option<Worker>,
    program: &Program,
) -> Result<Option<Observation>, Lost> {
    match insist(setup, worker, &Request::Observe { program: program.encode() }) {
        Ok(Reply::Observed(seen)) => Ok(Some(*seen)),
        Ok(other) => Err(unexpected(&other)),
        Err(Lost::Died(_) | Lost::TimedOut) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Event logs of one program as text, one line an event.
#[derive(Debug)]
pub struct Logs {
    /// The image's.
    pub image: Vec<String>,
    /// The Model's.
    pub model: Vec<String>,
    /// Place of the first difference.
    pub differs: Option<usize>,
    /// Who did what on the image.
    pub interleaving: Interleaving,
}

/// The event logs of a program, `context` events around the first difference.
///
/// # Errors
/// No worker can be started, or the program kills it.
pub fn logs(setup: &Setup, program: &Program, context: usize) -> Result<Logs, Lost> {
    let request = Request::Logs { program: program.encode(), context };
    match insist(setup, &mut None, &request)? {
        Reply::Logs { image, model, differs_at, interleaving } => {
            Ok(Logs { image, model, differs: differs_at, interleaving })
        }
        other => Err(unexpected(&other)),
    }
}

/// The smallest program found that gives a finding like this one, and how many were tried: at most `tries`, so that
/// the result is always the same.
///
/// # Errors
/// No worker can be started.
pub fn minimize(setup: &Setup, program: &Program, like: &Like, tries: u32) -> Result<(Program, u32), Lost> {
    if like.oracle != OracleKind::Crash || like.title.starts_with("WARNING") || like.title.starts_with("kernel") {
        let request = Request::Minimize { program: program.encode(), like: like.clone(), tries };
        match insist(setup, &mut None, &request) {
            Ok(Reply::Minimized { program, tried }) => return Ok((Program::decode(&program), tried)),
            Ok(other) => return Err(unexpected(&other)),
            Err(Lost::Died(_) | Lost::TimedOut) => {}
            Err(e) => return Err(e),
        }
    }
    minimize_apart(setup, program, like, tries.min(TRIES_APART))
}

/// The smallest program found that still does its part of a conflict of locks; the program itself when it ends the worker.
pub(super) fn cut(
    setup: &Setup,
    worker: &mut Option<Worker>,
    program: &Program,
    part: &Part,
    tries: u32,
) -> Result<Program, Lost> {
    match insist(setup, worker, &Request::Cut { program: program.encode(), part: part.clone(), tries }) {
        Ok(Reply::Minimized { program, .. }) => Ok(Program::decode(&program)),
        Ok(other) => Err(unexpected(&other)),
        Err(Lost::Died(_) | Lost::TimedOut) => Ok(program.clone()),
        Err(e) => Err(e),
    }
}

/// Minimises what kills workers.
fn minimize_apart(setup: &Setup, program: &Program, like: &Like, tries: u32) -> Result<(Program, u32), Lost> {
    let mut apart = Apart { worker: None, failure: None };
    let by_op = |apart: &mut Apart, program: &Program| {
        let request = Request::ByOp { program: program.encode(), like: like.clone() };
        match ask(setup, &mut apart.worker, &request) {
            Ok(Reply::Program { program }) => Some(Program::decode(&program)),
            // One that ends its worker has no end that could be said by op.
            _ => {
                apart.worker = None;
                None
            }
        }
    };
    let shrink = |apart: &mut Apart, program: Program, tries| {
        let keep = |candidate: &Program| {
            if apart.failure.is_some() {
                return false;
            }
            match one_on(setup, &mut apart.worker, candidate, Some(SHORT_MS)) {
                Ok(b) => b.found.iter().any(|f| like.matches(&f.finding)),
                Err(e) => {
                    apart.failure = Some(e);
                    false
                }
            }
        };
        let small = percuss_program::minimize(program, keep, tries);
        (small.program, small.tries)
    };
    let small = schedule::small(&mut apart, program.clone(), tries, by_op, shrink);
    apart.failure.map_or(Ok(small), Err)
}

/// A worker for candidates that may end it, and why there is none any more.
struct Apart {
    worker: Option<Worker>,
    failure: Option<Lost>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(merged: &mut Merged, from: u64, hung: u64) {
        merged.put(from, from + BATCH, Batch { programs: BATCH, hung, ..Batch::default() });
    }

    #[test]
    fn batches_meet_and_get_smaller_towards_the_end() {
        for total in [1, FIRST, 1000, 20_000] {
            let ends = std::iter::successors(Some(0), |from| Some(end_of(*from, total)).filter(|to| to > from));
            let ends: Vec<u64> = ends.collect();
            assert_eq!(ends.last(), Some(&total));
            assert!(ends.windows(3).all(|e| e[2] - e[1] <= e[1] - e[0]));
            assert!(ends[ends.len() - 1] - ends[ends.len() - 2] <= FIRST);
        }
        assert_eq!(end_of(0, u64::MAX), BATCH);
    }

    #[test]
    fn a_campaign_ends_with_the_same_batch_whoever_is_first() {
        let batches = [(0, 10), (BATCH, 5), (2 * BATCH, 4), (3 * BATCH, 0), (4 * BATCH, 16)];
        for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 0, 3, 1]] {
            let mut merged = Merged::default();
            order.iter().for_each(|i: &usize| put(&mut merged, batches[*i].0, batches[*i].1));
            assert!(merged.full());
            let all = merged.finish(Extent::Programs(5 * BATCH));
            assert_eq!((all.programs, all.hung, all.not_run), (3 * BATCH, 19, 2 * BATCH));
        }
    }

    #[test]
    fn a_stopped_campaign_keeps_what_ran() {
        let mut merged = Merged::default();
        put(&mut merged, 0, 0);
        put(&mut merged, 2 * BATCH, 0);
        let all = merged.finish(Extent::Programs(4 * BATCH));
        assert_eq!((all.programs, all.not_run), (2 * BATCH, 2 * BATCH));
    }
}
