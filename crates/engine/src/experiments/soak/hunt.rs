// SPDX-License-Identifier: GPL-2.0-only
//! Free runs of the image that is linked into this program, for a thread sanitizer to look at. Nothing is replayed, and
//! threads yield the World as soon as a lock keeps them apart.

use std::collections::BTreeMap;
use std::io;
use std::time::Instant;

use percuss_shim as shim;

use super::drive::Until;
use crate::campaign::Progress;
use crate::judge::recipe::{Recipe, program};
use crate::judge::{LoadError, on_world};
use percuss_kernel::event::{Event, Stop};
use percuss_run::{Threads, Unwatched};
use percuss_world::threads::Grain;

/// Why there is nothing to hunt in.
#[derive(Debug, thiserror::Error)]
pub enum HuntError {
    /// There is no image in this program.
    #[error(transparent)]
    Image(#[from] shim::LoadError),
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The system refuses memory or threads.
    #[error("cannot run threads: {0}")]
    Io(#[from] io::Error),
}

/// What ran, and how epochs ended. Data races are not counted here: the sanitizer writes them to its own log.
#[derive(Debug, Clone, Default)]
pub struct Hunted {
    pub epochs: u64,
    pub ops: u64,
    /// Epochs that ended early: tasks waited for each other, which a soak that is replayed accounts for.
    pub stopped: u64,
    /// What else ended epochs early, and how many: each is a new finding.
    pub broken: BTreeMap<&'static str, u64>,
}

impl Hunted {
    /// Not one epoch came to its end: nothing was looked at.
    pub fn all_stopped(&self) -> bool {
        self.epochs > 0 && self.stopped == self.epochs
    }

    /// New findings that no sanitizer had to see.
    pub fn new_findings(&self) -> usize {
        self.broken.len() + usize::from(self.all_stopped())
    }

    fn ended_early(&mut self, why: Stop) {
        match title(why) {
            Some(title) => *self.broken.entry(title).or_default() += 1,
            None => self.stopped += 1,
        }
    }
}

/// What the end of an epoch is a finding of; None when tasks waited for each other.
fn title(why: Stop) -> Option<&'static str> {
    Some(match why {
        // Only a replay could show whether this is a deadlock that the tree is known for.
        Stop::Deadlock | Stop::Stall => return None,
        Stop::Bug => "kernel BUG",
        Stop::Panic => "kernel panic",
        Stop::Loud => "percuss: path not modelled",
        Stop::StepLimit => "percuss: endless loop",
        Stop::Internal => "percuss: internal error",
    })
}

/// Runs epochs.
///
/// # Errors
/// See [`HuntError`].
pub fn hunt(recipe: Recipe, seed: u64, until: Until, progress: &Progress) -> Result<Hunted, HuntError> {
    let started = Instant::now();
    let (mut session, _) = on_world(shim::Image::linked()?, "C")?;
    // Threads of a pool meet by locks that the sanitizer does not see, and it would report races that are none.
    let threads = Threads::Fresh(recipe.threads);
    let mut out = Hunted::default();
    loop {
        let over = match until {
            Until::Epochs(n) => out.epochs >= n,
            Until::Time(t) => started.elapsed() >= t,
        };
        if over || progress.stopped() {
            return Ok(out);
        }
        // Threads yield the World after taking a lock, too, so that more of the C runs in parallel.
        session.run_free(&program(seed, out.epochs, recipe), &threads, Grain::Calls, &mut Unwatched)?;
        let world = session.shared().host.world();
        if let Some(why) = world.stopped() {
            out.ended_early(why);
        }
        let ops = world.events().iter().filter(|e| matches!(e, Event::OpEnd { .. })).count() as u64;
        out.epochs += 1;
        out.ops += ops;
        progress.ran(1, ops);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_waiting_is_excused() {
        let mut hunted = Hunted { epochs: 3, ..Hunted::default() };
        hunted.ended_early(Stop::Deadlock);
        hunted.ended_early(Stop::Stall);
        assert_eq!((hunted.stopped, hunted.new_findings()), (2, 0));
        hunted.ended_early(Stop::Bug);
        assert_eq!((hunted.all_stopped(), hunted.new_findings()), (false, 1));
        let all = Hunted { epochs: 2, stopped: 2, ..Hunted::default() };
        assert_eq!(all.new_findings(), 1, "nothing was looked at");
    }
}
