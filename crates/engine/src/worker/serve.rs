// SPDX-License-Identifier: GPL-2.0-only
//! The worker process: loads an image, answers requests from standard input until it ends.

use std::io::{self, BufRead, Write};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{SigEvent, SigevNotify};
use nix::sys::time::TimeSpec;
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use nix::time::ClockId;

use super::client::OVERTIME;
use super::protocol::{Reply, Request, Setup, Start, cpu_limit};
use super::schedule::{self, Told};
use crate::judge::interleaving::Interleaving;
use crate::judge::{Batch, Examiner, Like, LoadError, Soaker, Verdict, image_session};
use crate::sandbox::{self, Confinement};
use percuss_kernel::Quirk;
use percuss_kernel::event::Event;
use percuss_lockdep::Part;
use percuss_oracle::lockstep;
use percuss_program::{Generator, Program};
use percuss_run;

/// CPU time for finding out quirks: many times what it takes.
const PROBE: Duration = Duration::from_secs(10);

/// Serves requests; returns when standard input ends.
///
/// # Errors
/// Standard input or output fail.
pub fn serve() -> io::Result<()> {
    let mut lines = io::stdin().lock().lines();
    let mut out = io::stdout().lock();
    let Some(first) = lines.next() else { return Ok(()) };
    let start: Start = serde_json::from_str(&first?)?;
    let mut confinement = sandbox::before_threads();
    let dir = start.image().parent().unwrap_or(Path::new("/"));
    let soaker = match &start {
        Start::Serve(Setup { soak: Some(recipe), seed, .. }) => Some(Soaker::new(*recipe, *seed)?),
        _ => None,
    };
    if let Some(soaker) = &soaker {
        soaker.on_each(|| sandbox::each_thread(dir, &mut Confinement::default()));
    }
    sandbox::each_thread(dir, &mut confinement);
    let setup = match start {
        Start::Serve(setup) => setup,
        Start::Probe { image } => return probed(&image, confinement, &mut out),
    };
    let mut worker = match Serving::new(&setup, soaker, &mut confinement) {
        Ok(w) => {
            say(&mut out, &Reply::Ready)?;
            w
        }
        Err(why) => return say(&mut out, &Reply::Failed { why }),
    };
    for line in lines {
        let request: Request = serde_json::from_str(&line?)?;
        let reply = worker.answer(request, &mut out)?;
        say(&mut out, &reply)?;
    }
    Ok(())
}

pub(super) fn say(out: &mut impl Write, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_string(reply)?;
    line.push('\n');
    out.write_all(line.as_bytes())?;
    out.flush()
}

/// Says what an image is. Should it crash, what was said by then stands.
fn probed(image: &Path, mut confinement: Confinement, out: &mut impl Write) -> io::Result<()> {
    let (mut session, facts, api) = match crate::judge::loaded(image) {
        Ok(loaded) => loaded,
        Err(error) => return say(out, &Reply::Failed { why: error.to_string() }),
    };
    sandbox::after_loading(&mut confinement);
    say(out, &Reply::Loaded { facts, api, confinement })?;
    // Its timer is gone when it is dropped.
    let mut clock = Clock::new().map_err(io::Error::from)?;
    clock.allow(PROBE)?;
    match crate::judge::probe(&mut session, facts) {
        Ok((quirks, undecided)) => say(out, &Reply::Quirks { on: quirks, undecided }),
        Err(error) => say(out, &Reply::Failed { why: error.to_string() }),
    }
}

/// Ends this process when a program uses more CPU time than it may. Counted in CPU time, a busy machine is no hang.
struct Clock(Timer);

impl Clock {
    fn new() -> nix::Result<Clock> {
        let signal = SigevNotify::SigevSignal { signal: OVERTIME, si_value: 0 };
        Timer::new(ClockId::CLOCK_PROCESS_CPUTIME_ID, SigEvent::new(signal)).map(Clock)
    }

    /// From here on so much, whatever was left.
    fn allow(&mut self, limit: Duration) -> io::Result<()> {
        let limit = Expiration::OneShot(TimeSpec::from(limit));
        self.0.set(limit, TimerSetTimeFlags::empty()).map_err(io::Error::from)
    }
}

/// An examiner as a worker's set-up describes it.
///
/// # Errors
/// See [`LoadError`].
pub fn examiner(setup: &Setup) -> Result<Examiner, LoadError> {
    let (session, facts) = image_session(&setup.image, &setup.name)?;
    Ok(Examiner::new(session, facts, setup.quirks, setup.oracles)?)
}

struct Serving {
    seed: u64,
    clock: Clock,
    examiner: Examiner,
    generator: Generator,
    soaker: Option<Soaker>,
    /// The image has quirk B14.
    window: bool,
}

impl Serving {
    fn new(setup: &Setup, soaker: Option<Soaker>, confinement: &mut Confinement) -> Result<Serving, String> {
        let examiner = examiner(setup).map_err(|e| e.to_string())?;
        sandbox::after_loading(confinement);
        if let Some(soaker) = &soaker {
            soaker.on_each(|| sandbox::after_loading(&mut Confinement::default()));
        }
        let clock = Clock::new().map_err(|e| format!("cannot limit CPU time: {e}"))?;
        let window = setup.quirks.has(Quirk::B14);
        Ok(Serving { seed: setup.seed, clock, examiner, generator: setup.generator(), soaker, window })
    }

    fn answer(&mut self, request: Request, out: &mut impl Write) -> io::Result<Reply> {
        Ok(match request {
            Request::Batch { from, to, step } => {
                let mut batch = Batch::default();
                for index in from..to {
                    self.generated(index, step.then_some(&mut *out), &mut batch)?;
                    if step {
                        say(out, &Reply::Batch(Box::new(std::mem::take(&mut batch))))?;
                    }
                }
                Reply::Batch(Box::new(batch))
            }
            Request::One { program, limit_ms } => {
                let mut batch = Batch::default();
                let limit = limit_ms.map(Duration::from_millis);
                self.examine(0, &Program::decode(&program), limit, &mut batch)?;
                Reply::One(Box::new(batch))
            }
            Request::Minimize { program, like, tries } => self.minimize(Program::decode(&program), &like, tries),
            Request::ByOp { program, like } => {
                let program = Program::decode(&program);
                Reply::Program { program: self.by_op(&program, &like).unwrap_or(program).encode() }
            }
            Request::Cut { program, part, tries } => self.cut(Program::decode(&program), &part, tries),
            Request::AsItRuns { index } => {
                let program = self.generator.program(index);
                self.clock.allow(cpu_limit(&program))?;
                let program = match schedule::strategy(self.seed, index, &program) {
                    Some(mut strategy) => self.examiner.examine_under(&program, &mut *strategy)?.1,
                    None => program,
                };
                Reply::Program { program: program.encode() }
            }
            Request::Observe { program } => {
                let program = Program::decode(&program);
                self.clock.allow(cpu_limit(&program))?;
                Reply::Observed(Box::new(self.examiner.observe(&program)?))
            }
            Request::Epoch { index } => {
                let Some(soaker) = &self.soaker else { return Err(io::Error::other("a worker without threads")) };
                self.clock.allow(soaker.cpu_limit())?;
                Reply::Epoch(Box::new(soaker.run(&mut self.examiner, index, self.window)?))
            }
            Request::Logs { program, context } => self.logs(&Program::decode(&program), context)?,
        })
    }

    /// Examines a generated program, under the strategy that is its lot; `told` hears of the turns.
    fn generated(&mut self, index: u64, told: Option<&mut impl Write>, batch: &mut Batch) -> io::Result<()> {
        let program = self.generator.program(index);
        let Some(mut strategy) = schedule::strategy(self.seed, index, &program) else {
            return self.examine(index, &program, None, batch);
        };
        self.clock.allow(cpu_limit(&program))?;
        let (verdict, recorded) = match told {
            Some(out) => self.examiner.examine_under(&program, &mut Told::new(&mut *strategy, out))?,
            None => self.examiner.examine_under(&program, &mut *strategy)?,
        };
        self.note(index, &recorded, &verdict, batch);
        Ok(())
    }

    fn examine(&mut self, index: u64, program: &Program, limit: Option<Duration>, batch: &mut Batch) -> io::Result<()> {
        self.clock.allow(limit.unwrap_or_else(|| cpu_limit(program)))?;
        let verdict = self.examiner.examine(program)?;
        self.note(index, program, &verdict, batch);
        Ok(())
    }

    fn note(&mut self, index: u64, program: &Program, verdict: &Verdict, batch: &mut Batch) {
        batch.programs += 1;
        batch.ops += verdict.ops;
        batch.events += verdict.events;
        batch.boot_failed += verdict.boot_failed as u64;
        batch.tally.merge(&verdict.tally);
        self.examiner.record_order(&mut batch.order, index);
        for f in &verdict.findings {
            batch.add(f, index, || program.encode());
        }
    }

    /// The program with its schedule said by op, if it still gives the finding.
    fn by_op(&mut self, program: &Program, like: &Like) -> Option<Program> {
        if program.preemptions() == 0 {
            return None;
        }
        let mut examined = |program: &Program| {
            self.clock.allow(cpu_limit(program)).ok()?;
            let verdict = self.examiner.examine(program).ok()?;
            let shown = verdict.findings.iter().any(|f| like.matches(f));
            shown.then(|| percuss_run::by_op(self.examiner.image_ref().trail()))
        };
        let mut by_op = Program { schedule: examined(program)?, ..program.clone() };
        by_op.repair();
        examined(&by_op)?;
        Some(by_op)
    }

    fn minimize(&mut self, program: Program, like: &Like, tries: u32) -> Reply {
        let by_op = |me: &mut Serving, program: &Program| me.by_op(program, like);
        let shrink = |me: &mut Serving, program: Program, tries| {
            let keep = |candidate: &Program| {
                let allowed = me.clock.allow(cpu_limit(candidate));
                let verdict = allowed.and_then(|()| me.examiner.examine(candidate));
                verdict.is_ok_and(|v| v.findings.iter().any(|f| like.matches(f)))
            };
            let small = percuss_program::minimize(program, keep, tries);
            (small.program, small.tries)
        };
        let (program, tried) = schedule::small(self, program, tries, by_op, shrink);
        Reply::Minimized { program: program.encode(), tried }
    }

    fn cut(&mut self, program: Program, part: &Part, tries: u32) -> Reply {
        let keep = |candidate: &Program| {
            let allowed = self.clock.allow(cpu_limit(candidate));
            allowed.and_then(|()| self.examiner.order(candidate)).is_ok_and(|order| order.has(part))
        };
        let small = percuss_program::minimize(program, keep, tries);
        Reply::Minimized { program: small.program.encode(), tried: small.tries }
    }

    fn logs(&mut self, program: &Program, context: usize) -> io::Result<Reply> {
        self.clock.allow(cpu_limit(program))?;
        self.examiner.examine(program)?;
        self.examiner.model().run(program)?;
        let image = self.examiner.image().shared().host.clone();
        let model = self.examiner.model().session.shared().host.clone();
        let (a, b) = (image.world(), model.world());
        let differs = lockstep::compare(a.events(), b.events()).map(|d| d.event);
        let end = differs.map_or(usize::MAX, |d| d + context);
        let start = differs.map_or(0, |d| d.saturating_sub(context));
        let lines = |events: &[Event]| {
            let end = end.min(events.len());
            events[start.min(end)..end].iter().map(|e| format!("{e:x?}")).collect()
        };
        Ok(Reply::Logs {
            image: lines(a.events()),
            model: lines(b.events()),
            differs_at: differs.map(|d| d - start),
            interleaving: Interleaving::of(program, a.events()),
        })
    }
}
