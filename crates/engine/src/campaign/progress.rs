// SPDX-License-Identifier: GPL-2.0-only
//! What a running campaign shares with the thread that displays it and with the one that stops it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How long a campaign lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// This many generated programs.
    Programs(u64),
    /// As many as fit.
    Time(Duration),
}

/// Counters of a running campaign, which any thread may read, and the switch that stops it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Programs examined.
    pub programs: AtomicU64,
    /// Ops that ran.
    pub ops: AtomicU64,
    /// Kinds of findings, known ones included.
    pub findings: AtomicU64,
    /// Memory of the worker in bytes; 0 where workers come and go.
    pub memory: AtomicU64,
    /// All programs have run; those of findings are being made small.
    pub minimizing: AtomicBool,
    /// Set by any thread to end the campaign: workers finish their batches, and what ran until then is reported.
    pub stop: AtomicBool,
}

impl Progress {
    /// True once the campaign is to end.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Counts from 0 again, for the next campaign of a series. A stop is for the whole series, and stays.
    pub fn restart(&self) {
        for counter in [&self.programs, &self.ops, &self.findings, &self.memory] {
            counter.store(0, Ordering::Relaxed);
        }
        self.minimizing.store(false, Ordering::Relaxed);
    }

    pub(crate) fn ran(&self, programs: u64, ops: u64) {
        self.programs.fetch_add(programs, Ordering::Relaxed);
        self.ops.fetch_add(ops, Ordering::Relaxed);
    }
}
