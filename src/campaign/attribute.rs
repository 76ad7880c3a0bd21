// SPDX-License-Identifier: GPL-2.0-only
//! Accounting for findings: a quirk accounts for one when the Model without that quirk does not show it.

use super::watch::{HintWatch, SeenBelow, SeenRoom};
use crate::model::{Allocator, Facts, Quirks};
use crate::oracle::finding::{Finding, Oracle};
use crate::oracle::signs;
use crate::program::Program;
use crate::run::Session;
use crate::world::{Host, World};

/// The Model on a World of its own, with what was seen of it.
#[derive(Debug)]
pub struct ModelRun {
    /// The session.
    pub session: Session<Allocator<Host>>,
    /// What was seen in the last program.
    pub watch: HintWatch,
}

impl ModelRun {
    /// A Model with these facts and quirks.
    ///
    /// # Errors
    /// The system refuses address space or stacks.
    pub fn new(facts: Facts, quirks: Quirks) -> std::io::Result<ModelRun> {
        let host = Host::new(World::new(0)?);
        let session = Session::new(host.clone(), Allocator::new(host, facts, quirks))?;
        Ok(ModelRun { session, watch: HintWatch::default() })
    }

    /// Runs a program, watched.
    ///
    /// # Errors
    /// See [`Session::run`].
    pub fn run(&mut self, program: &Program) -> std::io::Result<crate::run::Ended> {
        self.watch.start(program);
        self.session.run(program, &mut self.watch)
    }
}

/// Models that lack one of the image's quirks each, made when first needed.
#[derive(Debug)]
pub struct Variants {
    facts: Facts,
    quirks: Quirks,
    runs: Vec<(&'static str, Option<ModelRun>)>,
}

impl Variants {
    /// Variants of an image's quirks.
    pub fn new(facts: Facts, quirks: Quirks) -> Variants {
        let on = Quirks::ALL.iter().filter(|q| quirks.get(q.name) == Ok(true));
        Variants { facts, quirks, runs: on.map(|q| (q.name, None)).collect() }
    }

    /// Runs the variant without quirk number `i`.
    fn run(&mut self, i: usize, program: &Program) -> std::io::Result<(&'static str, &ModelRun)> {
        let (name, slot) = &mut self.runs[i];
        if slot.is_none() {
            let mut quirks = self.quirks;
            quirks.set(name, false).expect("the name comes from the table");
            *slot = Some(ModelRun::new(self.facts, quirks)?);
        }
        let run = slot.as_mut().expect("made above");
        run.run(program)?;
        Ok((name, run))
    }

    /// Finds who accounts for what was seen of hints: one finding for each quirk and kind, and one, without a quirk,
    /// for each kind of occurrence that nobody accounts for. Returns how many occurrences each quirk accounts for.
    ///
    /// # Errors
    /// See [`Session::run`].
    pub fn hints(&mut self, program: &Program, seen: &HintWatch, tally: &mut Tally) -> std::io::Result<Vec<Finding>> {
        let mut below: Vec<(SeenBelow, Option<&'static str>)> = seen.below.iter().map(|b| (*b, None)).collect();
        let mut room: Vec<(SeenRoom, Option<&'static str>)> = seen.room.iter().map(|r| (*r, None)).collect();
        for i in 0..self.runs.len() {
            if below.iter().all(|b| b.1.is_some()) && room.iter().all(|r| r.1.is_some()) {
                break;
            }
            let (name, run) = self.run(i, program)?;
            for (b, by) in below.iter_mut().filter(|b| b.1.is_none()) {
                let same =
                    |o: &SeenBelow| o.op == b.op && (o.below.chunk, o.below.block) == (b.below.chunk, b.below.block);
                if !run.watch.below.iter().any(same) {
                    *by = Some(name);
                }
            }
            for (r, by) in room.iter_mut().filter(|r| r.1.is_none()) {
                if !run.watch.room.iter().any(|o| o.op == r.op) {
                    *by = Some(name);
                }
            }
        }
        let mut out: Vec<Finding> = Vec::new();
        let mut add = |mut f: Finding, by: Option<&'static str>| {
            tally.add(by);
            f.quirk = by.map(str::to_owned);
            if !out.iter().any(|o| o.key() == f.key()) {
                out.push(f);
            }
        };
        for (r, by) in room {
            let title = if r.created {
                "percuss: chunk created although there is room"
            } else {
                "percuss: allocation fails although there is room"
            };
            let detail = format!("block {} of the chunk at {:#x} has room", r.block, r.chunk);
            add(Finding::new(Oracle::Room, r.op, title, detail), by);
        }
        for (b, by) in below {
            let title = match b.below.block {
                Some(_) => "percuss: hint of a block below the truth",
                None => "percuss: hint of a chunk below the truth",
            };
            let at = b.below.block.map_or(String::new(), |n| format!(" block {n}"));
            let detail =
                format!("chunk {:#x}{at}: hint {} units, truth {}", b.below.chunk, b.below.hint, b.below.truth);
            add(Finding::new(Oracle::Hints, b.op, title, detail), by);
        }
        Ok(out)
    }

    /// Finds who accounts for findings that the Model shows too, and notes it in them.
    ///
    /// # Errors
    /// See [`Session::run`].
    pub fn others(&mut self, program: &Program, findings: &mut [Finding], model: &[Finding]) -> std::io::Result<()> {
        for f in findings.iter_mut().filter(|f| f.quirk.is_none()) {
            let same = |m: &Finding| (m.oracle, &m.title, m.op) == (f.oracle, &f.title, f.op);
            if !model.iter().any(same) {
                continue;
            }
            for i in 0..self.runs.len() {
                let (name, run) = self.run(i, program)?;
                let without = signs::scan(program, run.session.shared().host.world().log());
                if !without.iter().any(same) {
                    f.quirk = Some(name.to_owned());
                    break;
                }
            }
        }
        Ok(())
    }
}

/// How many hints below the truth (and what came of them) each quirk accounts for.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tally {
    /// By quirk name.
    pub by_quirk: std::collections::BTreeMap<String, u64>,
    /// Accounted for by no quirk.
    pub unattributed: u64,
}

impl Tally {
    fn add(&mut self, by: Option<&str>) {
        match by {
            Some(name) => *self.by_quirk.entry(name.to_owned()).or_default() += 1,
            None => self.unattributed += 1,
        }
    }

    /// Adds another tally.
    pub fn merge(&mut self, other: &Tally) {
        for (name, n) in &other.by_quirk {
            *self.by_quirk.entry(name.clone()).or_default() += n;
        }
        self.unattributed += other.unattributed;
    }
}
