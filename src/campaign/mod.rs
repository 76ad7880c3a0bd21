// SPDX-License-Identifier: GPL-2.0-only
//! Campaigns: many programs, examined by worker processes, put together into one result.

#[cfg(test)]
mod agreement;
mod attribute;
mod child;
mod classes;
mod compare;
mod compose;
mod drive;
mod examine;
mod load;
mod message;
mod observe;
mod scheduled;
mod watch;
mod worker;

pub use attribute::{ModelRun, Tally, Variants};
pub use child::{Lost, Worker};
pub(crate) use child::{RETRIES, SILENCE};
pub use classes::Class;
pub(crate) use classes::differences;
pub use compare::{Change, Changes, compare};
pub use compose::{Composed, compose};
pub use drive::{
    Extent, Logs, Progress, as_it_runs, crash, generated, listed, logs, minimize, observe, observe_all, one, span,
    until,
};
pub use examine::{Examiner, Oracles, Verdict, image_host};
pub use load::{Api, LoadError, PROBES, Probed, examiner, image_session, on_world, probe};
pub use message::{Batch, Found, Like, Setup, cpu_limit};
pub(crate) use message::{Reply, Request};
pub use observe::Observation;
pub use watch::{HintWatch, SeenBelow, SeenRoom};
pub use worker::serve;
