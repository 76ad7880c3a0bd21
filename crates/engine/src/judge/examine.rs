// SPDX-License-Identifier: GPL-2.0-only
//! Examining one program: run it on the image and on the Model, ask every oracle.

use std::cell::RefCell;
use std::rc::Rc;

use super::attribute::{ModelRun, Tally, Variants};
use percuss_kernel::event::Event;
use percuss_kernel::{DRAIN, Lock, State, Tenant, Touched};
use percuss_lockdep::{Graph, Lockdep, Options};
use percuss_model::{Facts, Quirks};
use percuss_oracle::invariants::{self, Totals};
use percuss_oracle::ledger::{self, PerChunk};
use percuss_oracle::{Finding, OracleKind, Oracles};
use percuss_oracle::{lockorder, lockstep, signs};
use percuss_program::Program;
use percuss_run::strategy::{Replay, Strategy};
use percuss_run::{Ended, Free, Session, Shared, Threads, Unwatched, Watch};
use percuss_tenant::{Judge, KernelC};
use percuss_world::sample::Contents;
use percuss_world::threads::Grain;
use percuss_world::{Host, World};

/// Every how many ops all of the state is judged.
const DEEP: u64 = 64;

/// Every how many ops the sums over all chunks are judged.
const SUMS: u64 = 8;

/// What examining a program gave.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Findings, the image's first, each kind once.
    pub findings: Vec<Finding>,
    /// Events of the image's run.
    pub events: u64,
    /// Ops that ran.
    pub ops: u64,
    /// Hints below the truth, by who accounts for them.
    pub tally: Tally,
    /// The first-chunk builder refused the geometry.
    pub boot_failed: bool,
}

/// An image and the Model, ready to run programs.
#[derive(Debug)]
pub struct Examiner {
    image: Session<KernelC>,
    model: ModelRun,
    variants: Variants,
    oracles: Oracles,
    per_chunk_ext: u32,
    state: State,
    lockdep: Lockdep,
    /// How many of a verdict's findings, the first, follow from the events alone.
    of_events: usize,
    /// The first rule broken at a release of pcpu_lock, with the op.
    broken: Rc<RefCell<Option<(u32, invariants::Violation)>>>,
}

impl Examiner {
    /// Puts an image and a Model with these quirks side by side.
    ///
    /// # Errors
    /// The system refuses address space or stacks.
    pub fn new(image: Session<KernelC>, facts: Facts, quirks: Quirks, oracles: Oracles) -> std::io::Result<Examiner> {
        let broken = Rc::default();
        let judge = oracles
            .has(OracleKind::Invariants)
            .then(|| judge_releases(image.shared().host.clone(), Rc::clone(&broken)));
        image.shared().tenant.watch_releases(judge);
        Ok(Examiner {
            broken,
            per_chunk_ext: (facts.obj_ext_size > 0) as u32,
            image,
            model: ModelRun::new(facts, quirks)?,
            variants: Variants::new(facts, quirks),
            oracles,
            state: State::default(),
            lockdep: Lockdep::new(Options::default()),
            of_events: 0,
        })
    }

    /// Adds the lock order of the last program to a graph.
    pub fn record_order(&self, graph: &mut Graph, index: u64) {
        let world = self.image.shared().host.world();
        self.lockdep.record(graph, index, &|event| lockorder::site(world.log(), event));
    }

    /// The lock order of a program by itself. Nobody else is asked.
    ///
    /// # Errors
    /// See [`Examiner::examine`].
    pub fn order(&mut self, program: &Program) -> std::io::Result<Graph> {
        self.image.shared().contents.set(Contents::Ignored);
        self.image.run(program, &mut Unwatched)?;
        self.broken.take();
        self.lockdep.run(self.image.shared().host.world().events());
        Ok(self.lockdep.graph(0, &|_| None))
    }

    /// The image's session.
    pub fn image_ref(&self) -> &Session<KernelC> {
        &self.image
    }

    /// The image's session, to run programs on.
    pub fn image(&mut self) -> &mut Session<KernelC> {
        &mut self.image
    }

    /// The Model's session.
    pub fn model(&mut self) -> &mut ModelRun {
        &mut self.model
    }

    /// Does nothing everywhere, on a machine of its own, so that the next program finds nothing of the last one to clear
    /// away: for those to whom it matters what code runs.
    ///
    /// # Errors
    /// See [`Examiner::examine`].
    pub fn settle(&mut self) -> std::io::Result<()> {
        let nothing = Program::default();
        self.image.shared().host.world_mut().give_back_early();
        self.image.power_off();
        self.model.session.power_off();
        self.examine(&nothing)?;
        self.variants.settle(&nothing)
    }

    /// Whether the Model runs too from now on.
    pub fn set_lockstep(&mut self, on: bool) {
        self.oracles = if on { Oracles::ALL } else { Oracles::without(OracleKind::Lockstep) };
    }

    /// Runs a program everywhere and asks the oracles.
    ///
    /// # Errors
    /// The system has no memory for stacks.
    pub fn examine(&mut self, program: &Program) -> std::io::Result<Verdict> {
        let (ended, watch) = self.run_image(program, &mut Replay::new(&program.schedule))?;
        self.judge(program, ended, watch)
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
    ) -> std::io::Result<(Verdict, Program)> {
        let (ended, watch) = self.run_image(program, strategy)?;
        let recorded = Program { schedule: self.image.turns().to_vec(), ..program.clone() };
        Ok((self.judge(&recorded, ended, watch)?, recorded))
    }

    /// Runs the image, contents sampled; in doubt once more, with everything looked at.
    fn run_image(&mut self, program: &Program, strategy: &mut dyn Strategy) -> std::io::Result<(Ended, ImageWatch)> {
        let contents = if self.oracles.has(OracleKind::Content) { Contents::Sampled } else { Contents::Ignored };
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
    ) -> std::io::Result<(Ended, ImageWatch)> {
        self.broken.borrow_mut().take();
        let mut watch = ImageWatch { deep: self.oracles.has(OracleKind::Invariants), ..ImageWatch::default() };
        self.image.shared().contents.set(contents);
        Ok((self.image.run_under(program, strategy, &mut watch)?, watch))
    }

    fn judge(&mut self, program: &Program, ended: Ended, watch: ImageWatch) -> std::io::Result<Verdict> {
        let mut verdict = Verdict::default();
        self.judge_image(program, ended, watch, &mut verdict);
        if self.oracles.has(OracleKind::Lockstep) {
            self.lockstep(program, &mut verdict)?;
        }
        verdict.boot_failed = matches!(ended, Ended::BootFailed(_));
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
    ) -> std::io::Result<(Free, Verdict)> {
        let mut verdict = Verdict::default();
        let mut watch = ImageWatch { deep: self.oracles.has(OracleKind::Invariants), ..ImageWatch::default() };
        // Contents are judged in the replay, which takes the same turns and can look at all of them in doubt.
        self.image.shared().contents.set(Contents::Ignored);
        let free = self.image.run_free(program, threads, grain, &mut watch)?;
        self.judge_image(program, free.ended, watch, &mut verdict);
        self.image.shared().host.world_mut().forget_poison();
        Ok((free, verdict))
    }

    fn judge_image(&mut self, program: &Program, ended: Ended, watch: ImageWatch, verdict: &mut Verdict) {
        let shared = self.image.shared();
        let world = shared.host.world();
        verdict.events = world.events().len() as u64;
        verdict.ops = watch.ops;
        let mut add = |f: Finding| {
            if !verdict.findings.iter().any(|o| o.key() == f.key()) {
                verdict.findings.push(f);
            }
        };
        signs::scan(program, world.log()).into_iter().for_each(&mut add);
        // The engine also sees what the context oracle is about.
        let wanted = |f: &Finding| self.oracles.has(OracleKind::LockOrder) || f.oracle != OracleKind::LockOrder;
        lockorder::judge(&mut self.lockdep, program, world.log()).into_iter().filter(wanted).for_each(&mut add);
        self.of_events = verdict.findings.len();
        let mut add = |f: Finding| {
            if !verdict.findings.iter().any(|o| o.key() == f.key()) {
                verdict.findings.push(f);
            }
        };
        let at_release = self.broken.borrow_mut().take();
        for (op, v) in at_release.into_iter().chain(watch.violation) {
            add(Finding::new(OracleKind::Invariants, op, format!("percuss: {}", v.rule), v.to_string()));
        }
        for (_, op, e) in shared.content.borrow().iter() {
            add(Finding::new(OracleKind::Content, *op, e.title(), format!("{e:x?}")));
        }
        drop(world);
        judge_end(self.image.shared(), ended, self.per_chunk_ext, &mut self.state).into_iter().for_each(&mut add);
    }

    fn lockstep(&mut self, program: &Program, verdict: &mut Verdict) -> std::io::Result<()> {
        self.model.run(program)?;
        let image = self.image.shared().host.world();
        let model = self.model.session.shared().host.world();
        if let Some(d) = lockstep::compare(image.events(), model.events()) {
            let f = lockstep::finding(program, image.events(), model.events(), d);
            drop((image, model));
            self.shown_by_both(program, &mut verdict.findings[..self.of_events])?;
            verdict.findings.insert(0, f);
            return Ok(());
        }
        drop((image, model));
        self.variants.start(self.model.session.shared().tenant.felt());
        if !verdict.findings.is_empty() {
            // What follows from the events follows from the Model's, which are the same.
            let mut shown = verdict.findings[..self.of_events].to_vec();
            shown.extend(self.model.at_end());
            let trail = self.model.session.trail();
            self.variants.others(program, &mut verdict.findings, &shown, trail)?;
        }
        let hints = self.variants.hints(program, &self.model, &mut verdict.tally)?;
        verdict.findings.extend(hints);
        Ok(())
    }
}

impl Examiner {
    /// Accounts for what follows from events in a program that the Model does not follow: what the Model's own run of it
    /// shows at the same op is not new. States that differ tell nothing of each other, so the rest stays as it is.
    fn shown_by_both(&mut self, program: &Program, findings: &mut [Finding]) -> std::io::Result<()> {
        if findings.is_empty() {
            return Ok(());
        }
        let shown = self.model.findings(program).to_vec();
        self.variants.start(self.model.session.shared().tenant.felt());
        self.variants.others(program, findings, &shown, self.model.session.trail())
    }
}

/// What is wrong with a program that came to its end: somebody wrote where nobody may, or something leaked.
pub(super) fn judge_end<T: Tenant>(shared: &Shared<T>, ended: Ended, ext: u32, state: &mut State) -> Vec<Finding> {
    let mut out = Vec::new();
    if ended != Ended::Whole {
        return out;
    }
    let world = shared.host.world();
    if shared.contents.get() != Contents::Ignored
        && let Some((cpu, at)) = world.static_damage()
    {
        let detail = format!("CPU {cpu}, byte {at}");
        out.push(Finding::new(OracleKind::Content, DRAIN, "percuss: the static area of a CPU was overwritten", detail));
    }
    shared.tenant.state(Touched::All, state);
    let metadata = 4 + if world.geometry().kmem { ext } else { 0 };
    let per = PerChunk { metadata, ranges: world.layout().group_offsets.len() as u32 };
    ledger::judge(&world, state, per, |f| out.push(f));
    out
}

/// Keeps the first rule that a chunk breaks when pcpu_lock is released.
fn judge_releases(host: Host, broken: Rc<RefCell<Option<(u32, invariants::Violation)>>>) -> Rc<Judge> {
    Rc::new(move |g, c| {
        let mut broken = broken.borrow_mut();
        if broken.is_none()
            && let Err(v) = invariants::chunk(g, c, false)
        {
            *broken = Some((host.world().current_op(), v));
        }
    })
}

/// Watches the image: counts ops, and judges the whole state now and then.
#[derive(Debug, Default)]
struct ImageWatch {
    ops: u64,
    deep: bool,
    /// Events before the op.
    events: usize,
    /// Chunks that were sidelined before the op.
    sidelined: Vec<u64>,
    violation: Option<(u32, invariants::Violation)>,
}

impl<T: Tenant> Watch<T> for ImageWatch {
    fn op_done(&mut self, shared: &Shared<T>, op: u32) {
        self.ops += (op != DRAIN) as u64;
        // While another task is changing the state there is nothing to judge.
        if !self.deep || self.violation.is_some() || shared.host.world().is_held(Lock::Pcpu) {
            return;
        }
        if !shared.host.world().working() {
            let events = std::mem::replace(&mut self.events, shared.host.world().events().len());
            if let Err(v) = self.judge_worker(shared, events) {
                self.violation = Some((op, v));
                return;
            }
        }
        let all = self.ops.is_multiple_of(DEEP) || op == DRAIN;
        if !all && !self.ops.is_multiple_of(SUMS) {
            return;
        }
        let mut totals = Totals::default();
        let mut result = Ok(());
        let mut globals = None;
        shared.tenant.visit(Touched::All, &mut |g, c| {
            totals.add(c);
            globals = Some(*g);
            if all && result.is_ok() {
                result = invariants::chunk(g, c, true);
            }
        });
        if let Some(g) = globals {
            result = result.and_then(|()| totals.judge(&g, shared.first_pages.get()));
        }
        self.violation = result.err().map(|v| (op, v));
    }
}

impl ImageWatch {
    /// A chunk that the worker has just sidelined keeps an empty page only if it was populated again in the same run, or
    /// somebody freed an area of it since the run began: the worker drops pcpu_lock while it gives pages back.
    fn judge_worker<T: Tenant>(&mut self, shared: &Shared<T>, from: usize) -> Result<(), invariants::Violation> {
        let world = shared.host.world();
        let events = &world.events()[from..];
        if !events.contains(&Event::WorkEnd) {
            return Ok(());
        }
        let began = events.iter().position(|e| *e == Event::WorkBegin).unwrap_or(0);
        let unit = world.layout().unit_size;
        let first = world.cpus().next().unwrap_or(0) as usize;
        let first = world.layout().unit_offsets[first];
        let (before, mut now) = (std::mem::take(&mut self.sidelined), Vec::new());
        let mut result = Ok(());
        shared.tenant.visit(Touched::All, &mut |g, c| {
            let (base, empty) = (c.head.base_addr, c.head.nr_empty_pop_pages);
            if c.head.slot != g.sidelined_slot {
                return;
            }
            now.push(base);
            let start = base.wrapping_add(first);
            let mapped = |e: &Event| matches!(e, Event::Map { addr, .. } if (start..start + unit).contains(addr));
            let freed = |e: &Event| matches!(e, Event::TraceFree { base_addr, .. } if *base_addr == base);
            let excused = events.iter().any(mapped) || events[began..].iter().any(freed);
            if empty > 0 && !before.contains(&base) && !excused {
                let rule = "the worker sidelines a chunk with empty populated pages";
                result =
                    Err(invariants::Violation { rule, chunk: base, block: None, found: empty as i64, expected: 0 });
            }
        });
        self.sidelined = now;
        result
    }
}

/// A World for an image whose `struct page` has this many bytes.
///
/// # Errors
/// The system refuses the address space.
pub fn image_host(page_struct: u32) -> std::io::Result<Host> {
    Ok(Host::new(World::new(page_struct)?))
}
