// SPDX-License-Identifier: GPL-2.0-only
//! Campaigns: many programs, examined by worker processes, put together into one result.

#[cfg(test)]
mod agreement;
mod compare;
mod compose;
mod drive;

pub use compare::{Change, Changes, compare};
pub use compose::compose;
pub use drive::{
    Extent, Logs, Progress, as_it_runs, crash, generated, listed, logs, minimize, observe, observe_all, one, span,
    until,
};
