// SPDX-License-Identifier: GPL-2.0-only
//! Generated programs, in batches: threads hand them to worker processes, one thread to each.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::merged::{HANGS, Merged};
use super::one::crash;
use super::progress::{Extent, Progress};
use crate::judge::Batch;
use crate::worker::{Client, Ended, Lost, RETRIES, RunBatch, RunSteps, Setup, StepNote, took, with_turns};
use percuss_program::Turn;

/// Programs of one call, at most. Larger batches save nothing: a call costs microseconds, a batch tenths of a second,
/// after which the display has something new.
const BATCH: u64 = 256;

/// Programs of the first call of a search, which may find something at once, and of the last calls of a campaign.
const FIRST: u64 = 16;

/// A call asks for this share of the programs that are left, once that is less than [`BATCH`]: with fewer workers than
/// this, all are busy until shortly before the end.
const TAPER: u64 = 16;

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
    // Threads take their batches from one counter. Which worker runs a program does not matter, since results are put
    // together by the programs' numbers.
    let next = AtomicU64::new(0);
    let merged = Mutex::new(Merged::default());
    let failure = Mutex::new(None);
    let stepping = AtomicBool::new(false);
    let work = || {
        let mut runner = Runner { client: Client::new(setup), stepping: &stepping };
        loop {
            let taken = next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |from| Some(end_of(from, total)));
            let from = taken.expect("there is always an end");
            // The clock is looked at between batches only: a batch is run whole or not at all.
            let over = matches!(extent, Extent::Time(t) if started.elapsed() >= t);
            if from >= total || over || progress.stopped() {
                return;
            }
            let to = end_of(from, total);
            match runner.batch(setup, from, to) {
                Ok(result) => {
                    progress.ran(result.programs, result.ops);
                    let mut all = merged.lock().expect("no thread panics while it holds the result");
                    all.put(from, to, result);
                    progress.findings.store(all.kinds(), Ordering::Relaxed);
                    if all.full() {
                        return;
                    }
                }
                Err(e) => {
                    failure.lock().expect("as above").get_or_insert(e);
                    // The first failure ends the campaign, since a worker that cannot be started fails in the other
                    // threads too.
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
    Runner { client: Client::new(setup), stepping: &AtomicBool::new(false) }.batch(setup, from, to)
}

/// Runs generated programs on one worker, a few at first, until `enough` returns true for a batch, `limit` is over, or the
/// campaign is stopped.
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
    let mut runner = Runner { client: Client::new(setup), stepping: &AtomicBool::new(false) };
    let (mut from, mut hung) = (0, 0);
    while hung < HANGS && started.elapsed() < limit && !progress.stopped() {
        // A batch is as large as all before it together, so that a bug that shows at once costs few programs, and a
        // long search few calls.
        let to = from + from.clamp(FIRST, BATCH);
        let batch = runner.batch(setup, from, to)?;
        progress.ran(batch.programs, batch.ops);
        if enough(&batch)? {
            return Ok(());
        }
        hung += batch.hung;
        from = to;
    }
    Ok(())
}

/// A worker for batches.
struct Runner<'a> {
    client: Client<'a>,
    /// A program of the campaign has ended its worker, and others will: no batch is run as a whole any more, since it
    /// would have to be run again.
    stepping: &'a AtomicBool,
}

impl Runner<'_> {
    fn batch(&mut self, setup: &Setup, from: u64, to: u64) -> Result<Batch, Lost> {
        if self.stepping.load(Ordering::Relaxed) {
            return self.stepwise(setup, from, to);
        }
        match self.client.call_once(&RunBatch { from, to }, drop) {
            // Another process ended the worker, which says nothing about the programs: the next batch is whole again.
            Err(Lost::Killed(_)) => self.stepwise(setup, from, to),
            Err(Lost::Ended(_)) => {
                // Which of the programs ended it is seen only when each of them reports by itself.
                self.stepping.store(true, Ordering::Relaxed);
                self.stepwise(setup, from, to)
            }
            other => other,
        }
    }

    /// Runs a batch program by program: one that ends its worker is a finding, and the results of the others stay.
    fn stepwise(&mut self, setup: &Setup, mut from: u64, to: u64) -> Result<Batch, Lost> {
        let mut all = Batch::default();
        // The worker's own generator ends with it, so a program that ends it is generated here once more.
        let mut generator = setup.generator();
        let mut killed = 0;
        let mut turns: Vec<Turn> = Vec::new();
        // The call begins again after the program that ended the worker. Each program that hangs costs all of its CPU
        // time, so after a few the rest is left out.
        while from < to && all.hung < HANGS {
            turns.clear();
            let lost = self.client.call_once(&RunSteps { from, to }, |note| match note {
                StepNote::Turn(turn) => took(&mut turns, turn),
                StepNote::Done(one) => {
                    all.merge(*one);
                    from += 1;
                    turns.clear();
                }
            });
            match lost {
                Ok(()) => break,
                Err(Lost::Killed(_)) if killed < RETRIES => killed += 1,
                Err(Lost::Ended(ended)) => {
                    all.programs += 1;
                    all.hung += u64::from(ended == Ended::TimedOut);
                    // The worker cannot send the schedule afterwards, so it is made of the turns that came before the
                    // end.
                    let program = with_turns(generator.program(from), &turns);
                    all.add(&crash(&ended, &program), from, || program.encode());
                    from += 1;
                    killed = 0;
                }
                Err(lost) => return Err(lost),
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
