// SPDX-License-Identifier: GPL-2.0-only
//! Examining one program: run it on the image and on the Model, ask every oracle.
//!
//! The image runs first and records its schedule; the Model follows it. Only when both streams are equal is the Model's
//! state the image's, and may be asked about it.

use std::cell::RefCell;
use std::rc::Rc;

use super::attribute::{ModelRun, Tally, Variants};
use super::judge_by::JudgeBy;
use super::watch::{Asking, objcg_objects, scene};
use percuss_kernel::Quirks;
use percuss_lockdep::Graph;
use percuss_model::Facts;
use percuss_oracle::{Bench, Finding, Needs, OracleKind, Oracles, lockstep};
use percuss_program::Program;
use percuss_run::strategy::{Replay, Strategy};
use percuss_run::{Ended, Free, Session, Threads, Unwatched};
use percuss_tenant::{Judge, KernelC, Look};
use percuss_world::sample::Contents;
use percuss_world::threads::Grain;
use percuss_world::{Host, World};

/// What examining one program gave. A campaign puts many of these into a batch, and a batch into its verdict.
#[derive(Debug, Clone, Default)]
pub struct Judged {
    /// Findings, the image's first, each kind once.
    pub findings: Vec<Finding>,
    pub events: u64,
    pub ops: u64,
    pub tally: Tally,
    pub boot_failed: bool,
}

/// An image and the Model, ready to run programs. To make one takes address space and an image that is loaded, so a
/// worker makes one and examines all of its programs with it.
#[derive(Debug)]
pub struct Examiner {
    image: Session<KernelC>,
    model: ModelRun,
    variants: Variants,
    oracles: Oracles,
    /// Asked about the image. The hook at releases of pcpu_lock asks it too.
    bench: Rc<RefCell<Bench>>,
    objcg_objects: u32,
    base: Option<Box<Examiner>>,
    judge: JudgeBy,
    /// How many of a verdict's findings, the first, follow from the events alone.
    of_events: usize,
}

impl Examiner {
    /// Puts an image and a Model with these quirks side by side.
    ///
    /// # Errors
    /// The system refuses address space or stacks.
    pub fn new(image: Session<KernelC>, facts: Facts, quirks: Quirks, oracles: Oracles) -> std::io::Result<Examiner> {
        let bench = Rc::new(RefCell::new(Bench::of_image(oracles)));
        let examiner = Examiner {
            bench,
            base: None,
            judge: JudgeBy::Lockstep,
            objcg_objects: objcg_objects(facts),
            image,
            model: ModelRun::new(facts, quirks)?,
            variants: Variants::new(facts, quirks),
            oracles,
            of_events: 0,
        };
        examiner.watch_releases();
        Ok(examiner)
    }

    /// Judges a change from now on: what the image of `base` shows in the same program, too, is marked.
    #[must_use]
    pub fn after(mut self, base: Option<Examiner>, judge: JudgeBy) -> Examiner {
        self.base = base.map(Box::new);
        self.judge = judge;
        self
    }

    /// The image before the change.
    pub fn before(&mut self) -> Option<&mut Examiner> {
        self.base.as_deref_mut()
    }

    /// Shows chunks to the oracles at releases of pcpu_lock, if one of them looks at state.
    pub(super) fn watch_releases(&self) {
        let shared = self.image.shared();
        let needed = self.oracles.need(Needs::State);
        let judge = needed.then(|| at_releases(shared.host.clone(), Rc::clone(&self.bench)));
        shared.tenant.watch_releases(judge);
    }

    pub(super) fn objcg_objects(&self) -> u32 {
        self.objcg_objects
    }

    /// Adds the lock order of the last program to a graph, as program `index`, to which the graph's new edges refer.
    pub fn record_order(&self, graph: &mut Graph, index: u64) {
        let world = self.image.shared().host.world();
        self.bench.borrow().record_order(world.log(), graph, index);
    }

    /// The lock order of a program by itself, from a run of the image. No oracle is asked.
    ///
    /// # Errors
    /// See [`Examiner::examine`].
    pub fn order(&mut self, program: &Program) -> std::io::Result<Graph> {
        self.image.shared().contents.set(Contents::Ignored);
        self.image.run(program, &mut Unwatched)?;
        Ok(self.bench.borrow_mut().order(self.image.shared().host.world().log()))
    }

    pub fn image_ref(&self) -> &Session<KernelC> {
        &self.image
    }

    pub fn image(&mut self) -> &mut Session<KernelC> {
        &mut self.image
    }

    pub fn model(&mut self) -> &mut ModelRun {
        &mut self.model
    }

    /// Runs an empty program on every tenant, so that cleaning up after the last one is not counted in the next one's
    /// coverage.
    ///
    /// # Errors
    /// See [`Examiner::examine`].
    pub fn settle(&mut self) -> std::io::Result<()> {
        let nothing = Program::default();
        // A fixed threshold for giving memory back, so that a fuzz target does it at the same program each time.
        self.image.shared().host.world_mut().give_back_early();
        self.image.power_off();
        self.model.session.power_off();
        self.examine(&nothing)?;
        self.variants.settle(&nothing)
    }

    /// Whether the Model runs too from now on. The oracles that look at the Model's state go and come with it.
    pub fn set_lockstep(&mut self, on: bool) {
        let lockstep = OracleKind::Lockstep;
        self.oracles = if on { self.oracles.and_with(lockstep) } else { self.oracles.and_without(lockstep) };
    }

    /// Runs a program everywhere and asks the oracles.
    ///
    /// # Errors
    /// The system has no memory for stacks.
    pub fn examine(&mut self, program: &Program) -> std::io::Result<Judged> {
        let (ended, ops) = self.run_image(program, &mut Replay::new(&program.schedule))?;
        self.judge(program, ended, ops)
    }

    /// Lets a strategy schedule the image; the Model follows what was recorded. The program that comes with the verdict
    /// has that as its schedule, and replays the run.
    ///
    /// # Errors
    /// See [`Examiner::examine`].
    pub fn examine_under(
        &mut self,
        program: &Program,
        strategy: &mut dyn Strategy,
    ) -> std::io::Result<(Judged, Program)> {
        let (ended, ops) = self.run_image(program, strategy)?;
        let recorded = Program { schedule: self.image.turns().to_vec(), ..program.clone() };
        Ok((self.judge(&recorded, ended, ops)?, recorded))
    }

    /// Runs the image, contents sampled; in doubt once more, with everything looked at. Samples keep the cost of a
    /// program down, and the second run says exactly which byte is wrong.
    fn run_image(&mut self, program: &Program, strategy: &mut dyn Strategy) -> std::io::Result<(Ended, u64)> {
        // What no oracle reads is not written either.
        let contents = if self.oracles.need(Needs::Contents) { Contents::Sampled } else { Contents::Ignored };
        let run = self.run_with(contents, program, strategy)?;
        if !self.image.shared().in_doubt() {
            return Ok(run);
        }
        // What areas were freed with is in the memory that is left: only a boot has all of it poisoned.
        self.image.power_off();
        let turns = self.image.turns().to_vec();
        self.run_with(Contents::Whole, program, &mut Replay::new(&turns))
    }

    fn run_with(
        &mut self,
        contents: Contents,
        program: &Program,
        strategy: &mut dyn Strategy,
    ) -> std::io::Result<(Ended, u64)> {
        let mut asking = Asking::start(&self.bench, program, self.objcg_objects);
        self.image.shared().contents.set(contents);
        let ended = self.image.run_under(program, strategy, &mut asking)?;
        Ok((ended, asking.ops))
    }

    fn judge(&mut self, program: &Program, ended: Ended, ops: u64) -> std::io::Result<Judged> {
        let mut verdict = Judged::default();
        self.judge_image(program, ended, ops, &mut verdict);
        // After the image was judged: what the Model shows can only account for findings that are there.
        if self.oracles.has(OracleKind::Lockstep) {
            self.lockstep(program, &mut verdict)?;
        }
        verdict.boot_failed = matches!(ended, Ended::BootFailed(_));
        if let Some(base) = &mut self.base {
            base.mark_shown(program, self.image.trail(), &mut verdict)?;
        }
        Ok(verdict)
    }

    /// Runs a program on real threads, on the image alone, and judges what can be judged without the Model.
    ///
    /// # Errors
    /// The system has no memory for stacks.
    pub fn examine_free(
        &mut self,
        program: &Program,
        threads: &Threads,
        grain: Grain,
    ) -> std::io::Result<(Free, Judged)> {
        let mut verdict = Judged::default();
        let mut asking = Asking::start(&self.bench, program, self.objcg_objects);
        // Contents are judged in the replay, which takes the same turns and can look at all of them in doubt.
        self.image.shared().contents.set(Contents::Ignored);
        let free = self.image.run_free(program, threads, grain, &mut asking)?;
        let ops = asking.ops;
        self.judge_image(program, free.ended, ops, &mut verdict);
        // No area was overwritten when it was freed, so each page is poisoned again before its next use.
        self.image.shared().host.world_mut().forget_poison();
        Ok((free, verdict))
    }

    fn judge_image(&mut self, program: &Program, ended: Ended, ops: u64, verdict: &mut Judged) {
        let shared = self.image.shared();
        let mut bench = self.bench.borrow_mut();
        let mut found = {
            let world = shared.host.world();
            verdict.events = world.events().len() as u64;
            bench.read(program, world.log())
        };
        verdict.ops = ops;
        // Counted after duplicates are gone, since `of_events` cuts the final list.
        once_each(&mut found);
        self.of_events = found.len();
        found.extend(bench.at_end(&scene(shared, program, self.objcg_objects, ended == Ended::Whole)));
        once_each(&mut found);
        verdict.findings = found;
    }

    fn lockstep(&mut self, program: &Program, verdict: &mut Judged) -> std::io::Result<()> {
        self.model.run(program)?;
        if program.has_calls() {
            // The Model does nothing where the image calls a function that only the tree knows.
            return self.shown_by_both(program, &mut verdict.findings[..self.of_events]);
        }
        let image = self.image.shared().host.world();
        let model = self.model.session.shared().host.world();
        if let Some(d) = lockstep::compare(image.events(), model.events()) {
            let f = lockstep::finding(program, image.events(), model.events(), d);
            // The Worlds are about to run again, and must not be borrowed then.
            drop((image, model));
            // The states differ now, so only what follows from events can be accounted for.
            self.shown_by_both(program, &mut verdict.findings[..self.of_events])?;
            if self.base.is_some() {
                // Of a tree the Model's hints are judged. Here they say nothing, and the image's are compared with
                // those of the image before the change.
                verdict.findings.extend(self.rules(program)?);
            }
            if self.judge != JudgeBy::Rules {
                // Last, since a rule says what is wrong, and a divergence only that something is.
                verdict.findings.push(f);
            }
            return Ok(());
        }
        drop((image, model));
        self.variants.start(self.model.session.shared().tenant.felt());
        // Nothing found, nothing to account for: the Model's oracles are not asked.
        if !verdict.findings.is_empty() {
            // What follows from the events follows from the Model's, which are the same.
            let mut shown = verdict.findings[..self.of_events].to_vec();
            shown.extend(self.model.at_end(program));
            let trail = self.model.session.trail();
            self.variants.others(program, &mut verdict.findings, &shown, trail)?;
        }
        // Hints are looked for on the Model, whose state is the image's as long as the streams are equal.
        let hints = self.variants.hints(program, &self.model, &mut verdict.tally)?;
        verdict.findings.extend(hints);
        Ok(())
    }
}

impl Examiner {
    /// Accounts for what follows from events in a program that the Model does not follow: what the Model's own run of
    /// it shows at the same op is not new. States that differ say nothing of each other, so the rest stays as it is.
    fn shown_by_both(&mut self, program: &Program, findings: &mut [Finding]) -> std::io::Result<()> {
        if findings.is_empty() {
            return Ok(());
        }
        let shown = self.model.findings(program).to_vec();
        self.variants.start(self.model.session.shared().tenant.felt());
        self.variants.others(program, findings, &shown, self.model.session.trail())
    }
}

/// Keeps the first finding of each kind: what follows has the same cause as a rule.
pub(super) fn once_each(findings: &mut Vec<Finding>) {
    let mut kept: Vec<Finding> = Vec::new();
    for f in findings.drain(..) {
        // There are a handful of kinds at most, so a search is all it takes.
        if !kept.iter().any(|o| o.key() == f.key()) {
            kept.push(f);
        }
    }
    *findings = kept;
}

/// Shows chunks to the bench when pcpu_lock is released. It is set only when an oracle needs it, for it is called at
/// each release.
fn at_releases(host: Host, bench: Rc<RefCell<Bench>>) -> Rc<Judge> {
    Rc::new(move |look| match look {
        Look::Chunk(globals, chunk) => bench.borrow_mut().released(&host, globals, chunk),
        Look::Changed(change) => bench.borrow_mut().changed_unlocked(&host, change),
    })
}

/// A World for an image whose `struct page` has this many bytes.
///
/// # Errors
/// The system refuses the address space.
pub fn image_host(page_struct: u32) -> std::io::Result<Host> {
    Ok(Host::new(World::new(page_struct)?))
}
