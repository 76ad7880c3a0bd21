// SPDX-License-Identifier: GPL-2.0-only
//! Driving a campaign: threads hand batches to worker processes and put the results together.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::child::{Lost, Worker};
use super::message::{Batch, Like, Reply, Request, Setup};
use crate::oracle::finding::{Finding, Oracle};
use crate::program::{Generator, Program};

/// Programs of one request: about 20 ms of work.
const BATCH: u64 = 256;
/// Time limit of a batch.
const BATCH_LIMIT: Duration = Duration::from_secs(60);
/// Time limit of one program when they are run singly.
const PROGRAM_LIMIT: Duration = Duration::from_secs(5);

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
    /// The campaign is to end now.
    pub stop: AtomicBool,
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
    let merged = Mutex::new(Batch::default());
    let failure = Mutex::new(None);
    let work = || {
        let mut worker = None;
        loop {
            let from = next.fetch_add(BATCH, Ordering::Relaxed);
            let over = matches!(extent, Extent::Time(t) if started.elapsed() >= t);
            if from >= total || over || progress.stop.load(Ordering::Relaxed) {
                return;
            }
            match batch(setup, &mut worker, from, (from + BATCH).min(total)) {
                Ok(result) => {
                    progress.programs.fetch_add(result.programs, Ordering::Relaxed);
                    progress.ops.fetch_add(result.ops, Ordering::Relaxed);
                    let mut all = merged.lock().expect("no thread panics while it holds the result");
                    all.merge(result);
                    progress.findings.store(all.found.len() as u64, Ordering::Relaxed);
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
    if let Some(e) = failure.into_inner().expect("as above") {
        return Err(e);
    }
    let mut all = merged.into_inner().expect("as above");
    all.sort();
    Ok(all)
}

fn batch(setup: &Setup, worker: &mut Option<Worker>, from: u64, to: u64) -> Result<Batch, Lost> {
    match ask(setup, worker, &Request::Batch { from, to, step: false }, BATCH_LIMIT) {
        Ok(Reply::Batch(b)) => Ok(*b),
        Ok(other) => Err(Lost::Refused(format!("unexpected reply {other:?}"))),
        Err(Lost::Died(_) | Lost::TimedOut(_)) => stepwise(setup, worker, from, to),
        Err(e) => Err(e),
    }
}

/// Runs a batch that killed its worker program by program: who kills one is a finding, the others' results stay.
fn stepwise(setup: &Setup, worker: &mut Option<Worker>, mut from: u64, to: u64) -> Result<Batch, Lost> {
    let mut all = Batch::default();
    let mut generator = Generator::new(setup.seed);
    while from < to {
        let request = Request::Batch { from, to: from + 1, step: false };
        match ask(setup, worker, &request, PROGRAM_LIMIT) {
            Ok(Reply::Batch(b)) => all.merge(*b),
            Ok(other) => return Err(Lost::Refused(format!("unexpected reply {other:?}"))),
            Err(lost @ (Lost::Died(_) | Lost::TimedOut(_))) => {
                all.programs += 1;
                let program = generator.program(from);
                all.add(&crash(&lost), from, || program.encode());
            }
            Err(e) => return Err(e),
        }
        from += 1;
    }
    Ok(all)
}

/// The finding that a lost worker is.
pub fn crash(lost: &Lost) -> Finding {
    match lost {
        Lost::TimedOut(limit) => {
            let detail = format!("a program ran for more than {limit:?}");
            Finding::new(Oracle::Crash, 0, "percuss: the allocator does not return", detail)
        }
        other => {
            let title = match other {
                Lost::Died(how) => format!("percuss: the allocator crashed with {how}"),
                _ => "percuss: the allocator crashed".to_owned(),
            };
            Finding::new(Oracle::Crash, 0, title, other.to_string())
        }
    }
}

/// Sends a request to a worker, started when there is none; a lost worker is forgotten.
fn ask(setup: &Setup, worker: &mut Option<Worker>, request: &Request, limit: Duration) -> Result<Reply, Lost> {
    if worker.is_none() {
        *worker = Some(Worker::start(setup)?);
    }
    let w = worker.as_mut().expect("started above");
    let reply = w.ask(request).and_then(|()| w.receive(limit));
    if reply.is_err() {
        *worker = None;
    }
    reply
}

/// Examines one program in a worker of its own; losing the worker is a finding.
///
/// # Errors
/// No worker can be started.
pub fn one(setup: &Setup, program: &Program) -> Result<Batch, Lost> {
    let mut worker = None;
    match ask(setup, &mut worker, &Request::One { program: program.encode() }, PROGRAM_LIMIT) {
        Ok(Reply::One(b)) => Ok(*b),
        Ok(other) => Err(Lost::Refused(format!("unexpected reply {other:?}"))),
        Err(lost @ (Lost::Died(_) | Lost::TimedOut(_))) => {
            let mut b = Batch { programs: 1, ..Batch::default() };
            b.add(&crash(&lost), 0, || program.encode());
            Ok(b)
        }
        Err(e) => Err(e),
    }
}

/// Event logs of one program: (image, Model, index of the first difference in what is shown).
///
/// # Errors
/// No worker can be started, or the program kills it.
pub fn logs(
    setup: &Setup,
    program: &Program,
    context: usize,
) -> Result<(Vec<String>, Vec<String>, Option<usize>), Lost> {
    let request = Request::Logs { program: program.encode(), context };
    match ask(setup, &mut None, &request, PROGRAM_LIMIT)? {
        Reply::Logs { image, model, differs_at } => Ok((image, model, differs_at)),
        other => Err(Lost::Refused(format!("unexpected reply {other:?}"))),
    }
}

/// The smallest program found that gives a finding like this one.
///
/// # Errors
/// No worker can be started.
pub fn minimize(setup: &Setup, program: &Program, like: &Like, budget: Duration) -> Result<(Program, u64), Lost> {
    let budget_ms = budget.as_millis() as u64;
    let request = Request::Minimize { program: program.encode(), like: like.clone(), budget_ms };
    if like.oracle != Oracle::Crash || like.title.starts_with("WARNING") || like.title.starts_with("kernel") {
        match ask(setup, &mut None, &request, budget + PROGRAM_LIMIT) {
            Ok(Reply::Minimized { program, tried }) => return Ok((Program::decode(&program), tried)),
            Ok(other) => return Err(Lost::Refused(format!("unexpected reply {other:?}"))),
            Err(Lost::Died(_) | Lost::TimedOut(_)) => {}
            Err(e) => return Err(e),
        }
    }
    minimize_apart(setup, program, like, budget)
}

/// Minimises what kills workers: every attempt may cost one.
fn minimize_apart(setup: &Setup, program: &Program, like: &Like, budget: Duration) -> Result<(Program, u64), Lost> {
    let until = Instant::now() + budget;
    let mut worker = None;
    let mut tried = 0;
    let mut failure = None;
    let limit = Duration::from_secs(1);
    let keep = |candidate: &Program| {
        if failure.is_some() || Instant::now() >= until {
            return false;
        }
        tried += 1;
        match ask(setup, &mut worker, &Request::One { program: candidate.encode() }, limit) {
            Ok(Reply::One(b)) => b.found.iter().any(|f| like.matches(&f.finding)),
            Ok(_) => false,
            Err(lost @ (Lost::Died(_) | Lost::TimedOut(_))) => like.matches(&crash(&lost)),
            Err(e) => {
                failure = Some(e);
                false
            }
        }
    };
    let small = crate::program::minimize(program.clone(), keep, u32::MAX).program;
    match failure {
        Some(e) => Err(e),
        None => Ok((small, tried)),
    }
}
