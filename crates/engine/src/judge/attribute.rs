// SPDX-License-Identifier: GPL-2.0-only
//! Accounting for findings: a quirk accounts for one when the Model without that quirk does not show it.
//!
//! Unmodified kernels break rules in known ways. Without this, each campaign would report them again among what is new.

use std::cell::RefCell;

use super::watch::{Asking, objcg_objects, scene};
use percuss_kernel::{Effect, Quirk, Quirks};
use percuss_model::{Allocator, Facts, Felt};
use percuss_oracle::hints::SeenBelow;
use percuss_oracle::room::SeenRoom;
use percuss_oracle::{Bench, Finding, OracleKind};
use percuss_program::Program;
use percuss_run::strategy::{Aligned, Replay, Strategy};
use percuss_run::{Ended, Session, TurnEnd};
use percuss_world::sample::Contents;
use percuss_world::{Host, World};

/// The Model on a World of its own, with what was seen of it. It follows the image, and shows what the image does with
/// one quirk less.
#[derive(Debug)]
pub struct ModelRun {
    pub session: Session<Allocator<Host>>,
    bench: RefCell<Bench>,
    /// What the oracles said of it, when they have been asked.
    found: Option<Vec<Finding>>,
    ended: Ended,
}

impl ModelRun {
    /// A Model with these facts and quirks, and a bench of all oracles, none of which is switched off.
    ///
    /// # Errors
    /// The system refuses address space or stacks.
    pub fn new(facts: Facts, quirks: Quirks) -> std::io::Result<ModelRun> {
        let host = Host::new(World::new(0)?);
        let session = Session::new(host.clone(), Allocator::new(host, facts, quirks))?;
        // Its World has no content: what the Model does to memory is all in its events.
        session.shared().contents.set(Contents::Ignored);
        Ok(ModelRun { session, bench: RefCell::new(Bench::of_model()), found: None, ended: Ended::Whole })
    }

    /// Runs a program, watched.
    ///
    /// # Errors
    /// See [`Session::run`].
    pub fn run(&mut self, program: &Program) -> std::io::Result<Ended> {
        self.run_under(program, &mut Replay::new(&program.schedule))
    }

    /// Runs a program, watched, in the turns of another Model, whose scheduling points may be others.
    ///
    /// # Errors
    /// See [`Session::run`].
    pub fn run_aligned(&mut self, program: &Program, trail: &[TurnEnd]) -> std::io::Result<Ended> {
        self.run_under(program, &mut Aligned::new(trail))
    }

    fn run_under(&mut self, program: &Program, strategy: &mut dyn Strategy) -> std::io::Result<Ended> {
        self.found = None;
        // What was felt belongs to one program.
        self.session.shared().tenant.forget_felt();
        // Hints are noted during the run; there is no other time to see them.
        let mut asking = Asking::start(&self.bench, program, self.objcg_objects());
        // Findings are made on demand, in `findings`: most runs of the Model are only compared.
        self.ended = self.session.run_under(program, strategy, &mut asking)?;
        Ok(self.ended)
    }

    /// What the oracles say of the last program, by its events and by the state in which it left the Model.
    pub fn findings(&mut self, program: &Program) -> &[Finding] {
        if self.found.is_none() {
            // Events first, then state: the order in which an image's findings come.
            let mut out = self.bench.borrow_mut().read(program, self.session.shared().host.world().log());
            out.extend(self.at_end(program));
            self.found = Some(out);
        }
        self.found.as_deref().unwrap_or_default()
    }

    /// What the oracles say of the state in which the last program left the Model, without its events: for a caller
    /// that knows the events to be the image's, and has their findings.
    pub fn at_end(&mut self, program: &Program) -> Vec<Finding> {
        let whole = self.ended == Ended::Whole;
        self.bench.borrow_mut().at_end(&scene(self.session.shared(), program, self.objcg_objects(), whole))
    }

    pub fn below(&self) -> Vec<SeenBelow> {
        self.bench.borrow().each.hints.seen.clone()
    }

    pub fn room(&self) -> Vec<SeenRoom> {
        self.bench.borrow().each.room.seen.clone()
    }

    fn objcg_objects(&self) -> u32 {
        objcg_objects(self.session.shared().tenant.facts())
    }
}

/// Models with different quirks, made when first needed and kept, for a World is dear.
#[derive(Debug)]
pub(super) struct Models {
    facts: Facts,
    runs: Vec<Kept>,
    round: u64,
}

#[derive(Debug)]
struct Kept {
    quirks: Quirks,
    round: u64,
    run: ModelRun,
}

impl Models {
    pub fn new(facts: Facts) -> Models {
        Models { facts, runs: Vec::new(), round: 0 }
    }

    pub fn start(&mut self) {
        self.round += 1;
    }

    fn settle(&mut self, program: &Program) -> std::io::Result<()> {
        for Kept { run, .. } in &mut self.runs {
            // Each boots again, as the image does.
            run.session.power_off();
            run.run(program)?;
            run.findings(program);
        }
        Ok(())
    }

    /// Runs a program on the Model with these quirks, unless that is what it ran last. `trail`, for a program as
    /// another Model ran it, is where turns ended there: counted from the beginning, points would be others here, and
    /// what takes a preemption would go or stay by chance.
    pub fn run(
        &mut self,
        quirks: Quirks,
        program: &Program,
        trail: Option<&[TurnEnd]>,
    ) -> std::io::Result<&mut ModelRun> {
        let i = match self.runs.iter().position(|kept| kept.quirks == quirks) {
            Some(i) => i,
            None => {
                // Round 0 is before the first program, so the new Model runs it.
                self.runs.push(Kept { quirks, round: 0, run: ModelRun::new(self.facts, quirks)? });
                self.runs.len() - 1
            }
        };
        let kept = &mut self.runs[i];
        if kept.round != self.round {
            match trail.filter(|_| program.preemptions() > 0) {
                // Without a preemption a turn ends with its op, and ops are the same in every Model.
                None => kept.run.run(program)?,
                Some(trail) => kept.run.run_aligned(program, trail)?,
            };
            kept.round = self.round;
        }
        Ok(&mut kept.run)
    }
}

/// Models that lack some of the image's quirks. They run only when there is something to account for, for each of them
/// costs a run of the program.
#[derive(Debug)]
pub struct Variants {
    quirks: Quirks,
    /// Quirks of the image that are switched off to explain findings, in the order of the table. Those with
    /// [`Effect::Waiting`] are not.
    on: Vec<Quirk>,
    models: Models,
    /// Quirks of masks that made a difference in the program.
    felt: Felt,
}

/// Something seen, and the quirk that accounts for it; None until one is found.
type Accounted<S> = (S, Option<Quirk>);

impl Variants {
    pub fn new(facts: Facts, quirks: Quirks) -> Variants {
        let on = quirks.iter().filter(|quirk| quirk.effect() != Effect::Waiting).collect();
        Variants { quirks, on, models: Models::new(facts), felt: Felt::default() }
    }

    /// The next program is another one, in which these quirks were felt by a Model with all. A quirk that was not felt
    /// made no difference, so no Model without it needs to run.
    pub fn start(&mut self, felt: Felt) {
        self.models.start();
        self.felt = felt;
    }

    pub(super) fn settle(&mut self, program: &Program) -> std::io::Result<()> {
        self.models.start();
        self.models.settle(program)
    }

    /// A Model without these quirks would run no differently.
    fn idle(&self, off: &[Quirk]) -> bool {
        off.iter().all(|quirk| self.felt.idle(*quirk))
    }

    fn without(&mut self, off: &[Quirk], program: &Program, trail: &[TurnEnd]) -> std::io::Result<&mut ModelRun> {
        let quirks = off.iter().fold(self.quirks, |quirks, quirk| quirks.without(*quirk));
        self.models.run(quirks, program, Some(trail))
    }

    /// Finds the quirks that account for what was seen of hints: one finding for each quirk and kind, and one, without
    /// a quirk, for each kind of occurrence that none accounts for.
    ///
    /// First each quirk is switched off alone. What is left has more than one cause: quirks are then switched off one
    /// after the other, and the one with which the occurrence goes accounts for it.
    ///
    /// # Errors
    /// See [`Session::run`].
    pub fn hints(&mut self, program: &Program, model: &ModelRun, tally: &mut Tally) -> std::io::Result<Vec<Finding>> {
        let mut below: Vec<Accounted<SeenBelow>> = model.below().into_iter().map(|b| (b, None)).collect();
        let mut room: Vec<Accounted<SeenRoom>> = model.room().into_iter().map(|r| (r, None)).collect();
        let on = self.on.clone();
        let alone = (0..on.len()).map(|i| &on[i..=i]);
        let together = (1..on.len()).map(|i| &on[..=i]);
        for off in alone.chain(together) {
            // Each further Model costs a run of the program.
            if below.iter().all(|b| b.1.is_some()) && room.iter().all(|r| r.1.is_some()) {
                break;
            }
            if self.idle(off) {
                continue;
            }
            let run = self.without(off, program, model.session.trail())?;
            account(&mut below, &mut room, run, off[off.len() - 1]);
        }
        Ok(findings(below, room, tally))
    }

    /// Quirks of the image, those that explain first in front, and how many these are.
    fn in_order(&self) -> (Vec<Quirk>, usize) {
        let (first, rest): (Vec<_>, Vec<_>) = self.on.iter().partition(|quirk| quirk.effect().explains_first());
        let nr = first.len();
        ([first, rest].concat(), nr)
    }

    /// The quirk that accounts for stalls, if the image has it: by rule, not by running the Model without it, since two
    /// tasks of such a Model may populate one page.
    fn waiting(&self) -> Option<Quirk> {
        self.quirks.iter().find(|quirk| quirk.effect() == Effect::Waiting)
    }

    /// Finds the quirks that account for findings that the Model shows too, and notes them there; `trail` as for
    /// `Models::run`. A finding that the Model does not show stays without one: it is new.
    ///
    /// # Errors
    /// See [`Session::run`].
    pub fn others(
        &mut self,
        program: &Program,
        findings: &mut [Finding],
        shown: &[Finding],
        trail: &[TurnEnd],
    ) -> std::io::Result<()> {
        for f in findings.iter_mut().filter(|f| f.quirk.is_none()) {
            // Details differ in addresses and numbers of events, titles do not.
            let same = |m: &Finding| (m.oracle, &m.title, m.op) == (f.oracle, &f.title, f.op);
            // The op is compared too: the Model may show the same title for another reason somewhere else.
            if !shown.iter().any(same) {
                continue;
            }
            if f.oracle == OracleKind::Stall
                && let Some(quirk) = self.waiting()
            {
                // It is not run without the quirk: see `waiting`.
                f.quirk = Some(quirk);
                continue;
            }
            // Each quirk alone; then, what has more than one cause: one after the other, and the one with which the
            // finding goes accounts for it. Those that choose masks first: without another one a chunk may not be
            // made at all, and then there is nothing to see either.
            let (on, masks) = self.in_order();
            let alone = |range: std::ops::Range<usize>| range.map(|i| &on[i..=i]);
            let together = |range: std::ops::Range<usize>| range.map(|i| &on[..=i]);
            // From 1 on: the first quirk together with none is that quirk alone.
            let first = alone(0..masks).chain(together(1..masks.max(1)));
            for off in first.chain(alone(masks..on.len())).chain(together(masks.max(1)..on.len())) {
                if !self.idle(off) && !self.without(off, program, trail)?.findings(program).iter().any(same) {
                    f.quirk = Some(off[off.len() - 1]);
                    break;
                }
            }
        }
        Ok(())
    }
}

fn account(below: &mut [Accounted<SeenBelow>], room: &mut [Accounted<SeenRoom>], without: &ModelRun, quirk: Quirk) {
    let (still_below, still_room) = (without.below(), without.room());
    for (b, by) in below.iter_mut().filter(|b| b.1.is_none()) {
        if !still_below.iter().any(|o| o.is_at(b)) {
            *by = Some(quirk);
        }
    }
    for (r, by) in room.iter_mut().filter(|r| r.1.is_none()) {
        // By the op alone: without the quirk another chunk may have the room.
        if !still_room.iter().any(|o| o.op == r.op) {
            *by = Some(quirk);
        }
    }
}

fn findings(below: Vec<Accounted<SeenBelow>>, room: Vec<Accounted<SeenRoom>>, tally: &mut Tally) -> Vec<Finding> {
    let mut out: Vec<Finding> = Vec::new();
    let mut add = |mut f: Finding, by: Option<Quirk>| {
        tally.add(by);
        f.quirk = by;
        // All are counted, and one of each kind becomes a finding.
        if !out.iter().any(|o| o.key() == f.key()) {
            out.push(f);
        }
    };
    room.into_iter().for_each(|(seen, by)| add(seen.finding(), by));
    below.into_iter().for_each(|(seen, by)| add(seen.finding(), by));
    out
}

/// How many hints below the truth (and what came of them) each quirk accounts for.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tally {
    /// Occurrences, not findings: a finding stands for many of them.
    pub by_quirk: std::collections::BTreeMap<Quirk, u64>,
    pub unattributed: u64,
}

impl Tally {
    fn add(&mut self, by: Option<Quirk>) {
        match by {
            Some(quirk) => *self.by_quirk.entry(quirk).or_default() += 1,
            None => self.unattributed += 1,
        }
    }

    pub fn merge(&mut self, other: &Tally) {
        for (quirk, n) in &other.by_quirk {
            *self.by_quirk.entry(*quirk).or_default() += n;
        }
        self.unattributed += other.unattributed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use percuss_program::Turn;

    /// A chunk that B24 makes needlessly, then locks in the wrong order: the caller's deadlock, and no quirk's.
    const PROGRAM: &str = "
boot static=8K dyn=20K cpus=4
unsafe-caller
task a
  v0 = alloc 8192
  v1 = alloc 256
  v2 = alloc 12032
  free v1
  v3 = alloc 256
  lock fs
  lock io
  unlock io
  unlock fs
task b
  lock io
  lock fs
  unlock fs
  unlock io
";

    fn deadlock(found: &[Finding]) -> Option<&Finding> {
        found.iter().find(|f| f.oracle == OracleKind::LockOrder && f.title.contains("deadlock in"))
    }

    /// Without B24 there are fewer points before the locks, and task a is preempted after them.
    #[test]
    fn what_other_points_hide_is_not_accounted_for() {
        let (facts, quirks) = (Facts::default(), Quirks::v6_12());
        let mut model = ModelRun::new(facts, quirks).unwrap();
        let mut without = ModelRun::new(facts, quirks.without(Quirk::B24)).unwrap();
        let mut variants = Variants::new(facts, quirks);
        let (mut deadlocks, mut hidden) = (0, 0);
        for points in 1..400 {
            let mut program: Program = PROGRAM.parse().unwrap();
            program.schedule = vec![Turn::points(0, points), Turn::op(1)];
            model.run(&program).unwrap();
            let shown = model.findings(&program).to_vec();
            let Some(finding) = deadlock(&shown) else { continue };
            deadlocks += 1;
            without.run(&program).unwrap();
            hidden += u32::from(deadlock(without.findings(&program)).is_none());
            let mut found = [finding.clone()];
            variants.start(model.session.shared().tenant.felt());
            variants.others(&program, &mut found, &shown, model.session.trail()).unwrap();
            assert_eq!(found[0].quirk, None, "preempted after {points} points");
        }
        assert!(deadlocks > 0 && hidden > 0, "{deadlocks} deadlocks, {hidden} hidden where points are counted");
    }
}
