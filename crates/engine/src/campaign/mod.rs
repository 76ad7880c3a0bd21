// SPDX-License-Identifier: GPL-2.0-only
//! Campaigns: many programs, examined by worker processes, put together into one result.

mod batches;
mod before;
mod cases;
mod causes;
mod check;
mod compare;
mod compose;
mod corpus;
mod covered;
mod follow;
mod merged;
mod minimize;
mod one;
mod options;
mod progress;
mod series;
mod verdict;
mod workloads;

pub use batches::{generated, span, until};
pub use cases::{Case, Standing, Tries, cases};
pub use causes::{Cause, rank};
pub use check::{Verdict, check};
pub use compare::{Change, Changes, compare};
pub use compose::compose;
pub use corpus::{CORPUS_INDEX, corpus, corpus_name, corpus_programs};
pub use minimize::minimize;
pub use one::{as_it_runs, crash, listed, logs, observe, observe_all, one, stats};
pub use options::{Options, processors};
pub use progress::{Extent, Progress};
pub use series::{SeriesStep, SeriesSteps, series};
pub use workloads::Measured;
