// SPDX-License-Identifier: GPL-2.0-only
//! What one program does on an image, in figures: for scenarios, audits and comparisons.
//!
//! A verdict says what is wrong; an observation also says what is right but different, so that two trees can be
//! compared.

use serde::{Deserialize, Serialize};

use super::batch::Like;
use super::examine::Examiner;
use super::figures::Figures;
use super::reached::Reached;
use crate::judge::audit::{Asks, Audit, Results, Stream};
use percuss_kernel::event::{Event, Site};
use percuss_kernel::events;
use percuss_lockdep::Graph;
use percuss_oracle::Finding;
use percuss_program::Program;
use percuss_run::Unwatched;
use percuss_world::pressure::Pressure;

/// A place in the source, as reports name it.
pub fn in_words(function: &str, file: &str, line: u32) -> String {
    format!("{} ({file}:{line})", plain(function))
}

/// The name of a function as its source has it: the kernel adds a suffix to those that are counted for profiles.
fn plain(function: &str) -> &str {
    function.strip_suffix("_noprof").unwrap_or(function)
}

/// A run, call sites recorded. It is plain data, so that a worker can send it and two of them can be compared later.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Observation {
    /// What the oracles say, with call sites in the reports.
    pub findings: Vec<Finding>,
    pub audit: Audit,
    pub results: Results,
    pub pressure: Pressure,
    /// Lock order, as of program 0.
    pub order: Graph,
    pub stream: Stream,
    pub asks: Asks,
    pub figures: Figures,
    /// Numbers of ops in the order in which they began.
    pub begun: Vec<u32>,
    /// What boot left, as one number.
    pub boot: u64,
    /// Memory ran short: a request was refused that no fault of the program can have hit, or reclaim had to make room.
    pub short: bool,
    /// Why it ended before its last op; None when it did not.
    pub ends: Option<String>,
    /// Places of the image that it reached, where they are counted: the worker fills it in.
    #[serde(default)]
    pub reached: Reached,
}

impl Observation {
    /// The number of ops begun when this one was; `u32::MAX` for what is none.
    pub fn place_of(&self, op: u32) -> u32 {
        self.begun.iter().position(|begun| *begun == op).map_or(u32::MAX, |at| at as u32 + 1)
    }

    /// True when an oracle's title contains `part`.
    pub fn says(&self, part: &str) -> bool {
        self.findings.iter().any(|f| f.title.contains(part))
    }
}

impl Examiner {
    /// Where in the source a program shows a finding: the function, with file and line.
    ///
    /// # Errors
    /// See [`Examiner::examine`].
    pub fn locate(&mut self, program: &Program, like: &Like) -> std::io::Result<Option<String>> {
        let found = self.examine(program)?.findings.into_iter().find(|f| like.matches(f));
        let Some(event) = found.and_then(|f| f.event) else { return Ok(None) };
        // Once more with call sites, which change no event; the image alone, whose log they are in.
        self.image_ref().shared().tenant.record_sites(true);
        let ran = self.image().run(program, &mut Unwatched);
        self.image_ref().shared().tenant.record_sites(false);
        ran?;
        let world = self.image_ref().shared().host.world();
        let site = world.log().site_of(event as usize);
        Ok(site.map(|s| in_words(&s.function, &s.file, s.line)))
    }

    /// Runs a program with call sites recorded. They are switched off again afterwards, whether or not the run
    /// succeeds.
    ///
    /// # Errors
    /// See [`Examiner::examine`].
    pub fn observe(&mut self, program: &Program) -> std::io::Result<Observation> {
        self.image_ref().shared().tenant.record_sites(true);
        let verdict = self.examine(program);
        // Before the result is looked at, so that an error does not leave it on.
        self.image_ref().shared().tenant.record_sites(false);
        // A graph of its own, which does not grow from program to program.
        let mut order = Graph::default();
        self.record_order(&mut order, 0);
        let world = self.image_ref().shared().host.world();
        // It ends the program, so there is at most one.
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
            asks: Asks::of(program, world.log()),
            figures: Figures::of(world.events()),
            begun: world.events().iter().filter_map(begins).collect(),
            boot: world.events().iter().find_map(booted).unwrap_or_default(),
            short: world.events().iter().any(|e| runs_short(program, e)),
            ends: stopped,
            reached: Reached::default(),
        })
    }
}

fn begins(event: &Event) -> Option<u32> {
    let Event::OpBegin { op } = *event else { return None };
    Some(op)
}

fn booted(event: &Event) -> Option<u64> {
    let Event::Boot { digest, .. } = *event else { return None };
    Some(digest)
}

fn runs_short(program: &Program, event: &Event) -> bool {
    let unplanned = |site: Site| !program.faults.iter().any(|fault| fault.site == site);
    match *event {
        Event::PageAlloc { pfn: None, .. } => unplanned(Site::Pages),
        Event::Kzalloc { addr: 0, .. } => unplanned(Site::Kmalloc),
        Event::Vmalloc { addr: 0, .. } => unplanned(Site::Vmalloc),
        Event::VmAreas { base: 0, .. } => unplanned(Site::VmAreas),
        Event::PageTable { ok: false, .. } => unplanned(Site::PageTables),
        events!(reclaim) => true,
        events!(flow | locks | context | requests | releases | services | traces | defects) => false,
    }
}
