// SPDX-License-Identifier: GPL-2.0-only
//! What one program does on an image, in figures: for scenarios, audits and comparisons.

use serde::{Deserialize, Serialize};

use super::examine::Examiner;
use crate::judge::audit::{Audit, Results, Stream};
use percuss_kernel::event::Event;
use percuss_lockdep::Graph;
use percuss_oracle::Finding;
use percuss_program::Program;
use percuss_world::pressure::Pressure;

/// A run, call sites recorded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Observation {
    /// What the oracles say, with call sites in the reports.
    pub findings: Vec<Finding>,
    /// Every backing allocation.
    pub audit: Audit,
    /// What became of allocations.
    pub results: Results,
    /// What waiting for memory did.
    pub pressure: Pressure,
    /// Lock order, as of program 0.
    pub order: Graph,
    /// Calls of the allocator.
    pub stream: Stream,
    /// Why it ended before its last op.
    pub ends: Option<String>,
}

impl Observation {
    /// True when an oracle's title contains `part`.
    pub fn says(&self, part: &str) -> bool {
        self.findings.iter().any(|f| f.title.contains(part))
    }
}

impl Examiner {
    /// Runs a program with call sites recorded.
    ///
    /// # Errors
    /// See [`Examiner::examine`].
    pub fn observe(&mut self, program: &Program) -> std::io::Result<Observation> {
        self.image_ref().shared().tenant.record_sites(true);
        let verdict = self.examine(program);
        self.image_ref().shared().tenant.record_sites(false);
        let mut order = Graph::default();
        self.record_order(&mut order, 0);
        let world = self.image_ref().shared().host.world();
        let stopped = world.events().iter().find_map(|e| {
            let Event::Stopped { reason } = e else { return None };
            Some(format!("{reason:?}"))
        });
        Ok(Observation {
            findings: verdict?.findings,
            audit: Audit::of(program, world.log()),
            results: Results::of(program, world.log()),
            pressure: *world.pressure(),
            order,
            stream: Stream::of(world.log()),
            ends: stopped,
        })
    }
}
