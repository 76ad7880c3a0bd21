// SPDX-License-Identifier: GPL-2.0-only
//! A bench of oracles: one of each, asked about the runs of one tenant.

use percuss_kernel::{ChunkView, Cursor, Globals, UnlockedChange};
use percuss_lockdep::{Graph, Lockdep, Options};
use percuss_program::Program;
use percuss_world::Host;
use percuss_world::log::Log;

use crate::ask::{Moment, Scene};
use crate::lockreport::site;
use crate::table::StateOf;
use crate::{Each, Finding, OracleKind, Oracles};

/// Every oracle of the table, and the lock-order engine that some of them share.
#[derive(Debug)]
pub struct Bench {
    /// The oracles. What some of them noted is read when findings are accounted for.
    pub each: Each,
    on: Oracles,
    /// Oracles that are asked about state: those that are on and judge this tenant's.
    of_state: Oracles,
    lockdep: Lockdep,
}

impl Bench {
    /// For an image, with these oracles. Their state questions are those of the rows that judge the image's state.
    pub fn of_image(on: Oracles) -> Bench {
        Bench::of(on, &[StateOf::Image, StateOf::Both])
    }

    /// For a Model. Nothing is off: a finding of the image is known only if the Model shows it too, so an oracle
    /// missing here would make known findings new ones.
    pub fn of_model() -> Bench {
        Bench::of(Oracles::ALL, &[StateOf::Model, StateOf::Both])
    }

    fn of(on: Oracles, states: &[StateOf]) -> Bench {
        let judge = |kind: &OracleKind| on.has(*kind) && states.contains(&kind.info().state);
        let of_state = OracleKind::all().filter(judge).fold(Oracles::NONE, Oracles::and);
        Bench { each: Each::default(), on, of_state, lockdep: Lockdep::new(Options::default()) }
    }

    /// Another program is about to run. To be called before it does: each oracle forgets the last one.
    pub fn start(&mut self) {
        self.each.start();
    }

    #[inline]
    pub fn released(&mut self, host: &Host, globals: &Globals, chunk: &ChunkView<'_>) {
        self.each.released(self.of_state, host, globals, chunk);
    }

    pub fn changed_unlocked(&mut self, host: &Host, change: &UnlockedChange) {
        self.each.changed_unlocked(self.of_state, host, change);
    }

    #[inline]
    pub fn op_ended(&mut self, scene: &Scene<'_>, op: u32) {
        self.each.op_ended(self.of_state, scene, op);
    }

    /// Reads the log of a program that has run, once. What comes out follows from program and log alone.
    pub fn read(&mut self, program: &Program, log: &Log) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut cursor = Cursor::new();
        for (index, event) in log.events().iter().enumerate() {
            // First the cursor, so that an event that begins an op belongs to it.
            cursor.advance(event);
            self.each.event(&Moment { program, cursor: &cursor, log, index }, event, &mut found);
        }
        // Reports come after the events of the whole log, so the findings of events stand first.
        self.lockdep.reset();
        self.lockdep.run(log.events());
        // Call sites are looked up for reports alone; most programs have none.
        if !self.lockdep.reports().is_empty() {
            self.lockdep.finish(&|index| site(log, index));
            for report in self.lockdep.reports() {
                self.each.lock_report(self.on, program, report, &mut found);
            }
        }
        found
    }

    /// Judges the state in which a program left its tenant. A program that was stopped leaves areas allocated, and its
    /// books cannot be compared, so `drained` is asked only after a whole one.
    pub fn at_end(&mut self, scene: &Scene<'_>) -> Vec<Finding> {
        let mut found = Vec::new();
        self.each.run_ended(self.of_state, scene, &mut found);
        if scene.whole {
            self.each.drained(self.of_state, scene, &mut found);
        }
        found
    }

    /// Adds the lock order of the log that was read last to a graph, as program `index`.
    pub fn record_order(&self, log: &Log, graph: &mut Graph, index: u64) {
        self.lockdep.record(graph, index, &|event| site(log, event));
    }

    /// The lock order of a log by itself. No oracle is asked.
    pub fn order(&mut self, log: &Log) -> Graph {
        self.lockdep.run(log.events());
        self.lockdep.graph(0, &|_| None)
    }
}
