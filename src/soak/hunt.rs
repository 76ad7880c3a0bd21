// SPDX-License-Identifier: GPL-2.0-only
//! Free runs of the image that is linked into this program, for a thread sanitizer to look at. Nothing is replayed, and
//! threads let the World go as soon as a lock keeps them apart.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Instant;

use percuss_shim as shim;

use super::drive::Until;
use super::generate::{Recipe, program};
use crate::campaign::{LoadError, Progress, on_world};
use crate::run::{Ended, Threads, Unwatched};
use crate::world::event::Event;
use crate::world::threads::Grain;

/// Why there is nothing to hunt in.
#[derive(Debug, thiserror::Error)]
pub enum HuntError {
    /// There is no image in this program.
    #[error(transparent)]
    Image(#[from] shim::LoadError),
    /// The image cannot be used.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The system refuses memory or threads.
    #[error("cannot run threads: {0}")]
    Io(#[from] io::Error),
}

/// What ran.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hunted {
    /// Epochs.
    pub epochs: u64,
    /// Ops.
    pub ops: u64,
    /// Epochs that ended early: tasks waited for each other, which a soak that is replayed accounts for.
    pub stopped: u64,
}

impl Hunted {
    /// Not one epoch came to its end: nothing was looked at.
    pub fn all_stopped(&self) -> bool {
        self.epochs > 0 && self.stopped == self.epochs
    }
}

/// Runs epochs.
///
/// # Errors
/// See [`HuntError`].
pub fn hunt(recipe: Recipe, seed: u64, until: Until, progress: &Progress) -> Result<Hunted, HuntError> {
    let started = Instant::now();
    let (mut session, _) = on_world(shim::Image::linked()?, "C")?;
    let threads = Threads::Fresh(recipe.threads);
    let mut out = Hunted::default();
    loop {
        let over = match until {
            Until::Epochs(n) => out.epochs >= n,
            Until::Time(t) => started.elapsed() >= t,
        };
        if over || progress.stop.load(Ordering::Relaxed) {
            return Ok(out);
        }
        let free = session.run_free(&program(seed, out.epochs, recipe), &threads, Grain::Calls, &mut Unwatched)?;
        if free.ended == Ended::Stopped {
            out.stopped += 1;
        }
        let world = session.shared().host.world();
        let ops = world.events().iter().filter(|e| matches!(e, Event::OpEnd { .. })).count() as u64;
        out.epochs += 1;
        out.ops += ops;
        progress.programs.fetch_add(1, Ordering::Relaxed);
        progress.ops.fetch_add(ops, Ordering::Relaxed);
    }
}
