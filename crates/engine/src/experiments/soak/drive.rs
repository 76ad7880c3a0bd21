// SPDX-License-Identifier: GPL-2.0-only
//! Driving a soak: epochs on a worker process, one after the other, and what they come to. One worker runs them all, so
//! that memory which it loses from epoch to epoch shows.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::campaign::{Progress, crash};
use crate::judge::recipe::{Recipe, program};
use crate::judge::replay::Matched;
use crate::judge::{Batch, Epoch, Found};
use crate::worker::{Client, Lost, RunEpoch, Setup};

/// How long a soak lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    Epochs(u64),
    Time(Duration),
}

/// What epochs came to. Written to the state file, from which a soak can go on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// What the image was, in one line: totals of another image are not added to.
    pub image: String,
    pub seed: u64,
    /// What epochs are made of.
    pub recipe: Recipe,
    /// Number of the epoch that runs next; a soak that is resumed begins with it.
    pub next: u64,
    /// Replays in which every event was the free run's, on the image and the Model.
    pub equal: u64,
    /// Replays that differ by what is looked at without pcpu_lock alone.
    pub window: u64,
    /// Replays with another difference.
    pub differ: u64,
    /// Epochs that were not replayed: the worker was lost in them.
    pub not_replayed: u64,
    pub turns: u64,
    /// Seconds that threads ran freely, and of all.
    pub seconds: (f64, f64),
    /// Memory of the worker in bytes: after the first epochs, at the end, and at most.
    pub memory: (u64, u64, u64),
    /// Epochs, ops, events and findings.
    pub batch: Batch,
}

/// Epochs after which the worker's memory is looked at for the first time: by then every buffer has its size.
const WARM: u64 = 16;

impl Totals {
    pub fn new(image: String, seed: u64, recipe: Recipe) -> Totals {
        Totals {
            image,
            seed,
            recipe,
            next: 0,
            equal: 0,
            window: 0,
            differ: 0,
            not_replayed: 0,
            turns: 0,
            seconds: (0.0, 0.0),
            memory: (0, 0, 0),
            batch: Batch::default(),
        }
    }

    fn add(&mut self, epoch: Epoch) {
        match &epoch.matched {
            // What the Model does otherwise is a finding of the lockstep oracle.
            Some(Matched::Equal) => self.equal += 1,
            Some(Matched::Window) => self.window += 1,
            Some(Matched::Differs { .. }) => self.differ += 1,
            None => self.not_replayed += 1,
        }
        self.turns += epoch.turns;
        self.seconds.0 += epoch.micros.0 as f64 / 1e6;
        let mut batch = epoch.batch;
        // Which locks were taken in which order is judged in each epoch; graphs of thousands would only grow.
        batch.order = Default::default();
        // The state file has text, so that what is resumed is what was there.
        batch.found = batch.found.into_iter().map(|f| Found { finding: f.finding.rendered(), ..f }).collect();
        self.batch.merge(batch);
        self.next += 1;
    }

    fn look_at_memory(&mut self, bytes: u64) {
        if self.batch.programs <= WARM || self.memory.0 == 0 {
            self.memory.0 = bytes;
        }
        self.memory.1 = bytes;
        self.memory.2 = self.memory.2.max(bytes);
    }
}

/// Runs epochs, from where the totals are; `save` is called now and then, and at the end.
///
/// # Errors
/// No worker can be started, or the totals cannot be saved.
pub fn soak(
    setup: &Setup,
    until: Until,
    totals: &mut Totals,
    progress: &Progress,
    mut save: impl FnMut(&Totals) -> Result<(), Lost>,
) -> Result<(), Lost> {
    // Often enough that a soak of days loses seconds when it is killed, and seldom enough to cost nothing.
    const SAVE_EVERY: Duration = Duration::from_secs(5);
    // The time of earlier runs of a soak that is resumed counts, too.
    let (started, before) = (Instant::now(), totals.seconds.1);
    // The recipe and seed are those of the totals, which may come from a state file.
    let setup = Setup { soak: Some(totals.recipe), seed: totals.seed, ..setup.clone() };
    let mut saved = Instant::now();
    let mut client = Client::new(&setup);
    let last = totals.next;
    loop {
        let over = match until {
            // Epochs of this run: those of the state file are not counted again.
            Until::Epochs(n) => totals.next - last >= n,
            Until::Time(t) => started.elapsed() >= t,
        };
        if over || progress.stopped() {
            break;
        }
        let epoch = run(&mut client, totals.seed, totals.recipe, totals.next)?;
        progress.ran(1, epoch.ops);
        totals.add(epoch);
        // None after an epoch that ended its worker: the next one begins in a new process, whose memory says nothing
        // yet.
        if let Some(bytes) = client.memory() {
            totals.look_at_memory(bytes);
        }
        progress.memory.store(totals.memory.1, Ordering::Relaxed);
        progress.findings.store(totals.batch.found.len() as u64, Ordering::Relaxed);
        totals.seconds.1 = before + started.elapsed().as_secs_f64();
        if saved.elapsed() >= SAVE_EVERY {
            save(totals)?;
            saved = Instant::now();
        }
    }
    // Saved at the end in any case, since the last epochs may be younger than the last save.
    totals.batch.sort();
    save(totals)
}

/// Runs an epoch; losing the worker in it is a finding.
fn run(client: &mut Client<'_>, seed: u64, recipe: Recipe, index: u64) -> Result<Epoch, Lost> {
    Ok(client.attempt(&RunEpoch { index })?.unwrap_or_else(|ended| {
        // What was recorded is lost with the worker. The program can be made again, but not the order in which its
        // threads ran.
        let program = program(seed, index, recipe);
        let mut batch = Batch { programs: 1, ..Batch::default() };
        batch.add(&crash(&ended, &program), index, || program.encode());
        Epoch { batch, ..Epoch::default() }
    }))
}
