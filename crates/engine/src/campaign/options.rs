// SPDX-License-Identifier: GPL-2.0-only
//! What a check runs: its programs, its workers, its oracles.

use std::path::PathBuf;
use std::sync::Arc;

use super::progress::{Extent, Progress};
use crate::judge::{JudgeBy, Oracles};

/// What a check runs, and with what.
#[derive(Debug, Clone)]
pub struct Options {
    /// Seed of the generated programs: the same seed gives the same programs, and the same verdict.
    pub seed: u64,
    /// Generated programs; the corpus runs in addition.
    pub extent: Extent,
    /// Tasks that each generated program has at least; 0 leaves it to the seed.
    pub tasks: usize,
    /// Worker processes. The verdict does not depend on their number.
    pub jobs: usize,
    pub oracles: Oracles,
    pub judge: JudgeBy,
    /// Known findings get a small program each. It takes a second for dozens of them, and is read only when asked for.
    pub detail: bool,
    /// The executable that worker processes run, see [`Setup::worker`](crate::worker::Setup::worker).
    pub worker: Option<PathBuf>,
    /// Counters to display while the check runs, and the switch that stops it: keep a clone.
    pub progress: Arc<Progress>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            seed: 1,
            extent: Extent::Programs(20_000),
            tasks: 0,
            jobs: processors(),
            oracles: Oracles::default(),
            judge: JudgeBy::Auto,
            detail: true,
            worker: None,
            progress: Arc::default(),
        }
    }
}

/// Processors that this process may use: a worker on each is the fastest that a campaign gets.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}
