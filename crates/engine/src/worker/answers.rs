// SPDX-License-Identifier: GPL-2.0-only
//! What a serving worker does for each call.

use std::io;
use std::time::Duration;

use super::clock::{Clock, cpu_limit};
use super::protocol::{
    AsItRuns, AskBefore, Before, ByOp, ChosenTurn, Cut, Locate, Logs, Minimize, Minimized, Observe, ReadLogs,
    ReadStats, RunBatch, RunEpoch, RunOne, RunSteps, Setup, StepNote,
};
use super::schedule;
use super::small::{Shrink, reduce, with_whole_ops};
use super::told::Told;
use super::wire::{Answer, NoNote};
use crate::judge::interleaving::Interleaving;
use crate::judge::stats::Stats;
use crate::judge::story::story;
use crate::judge::{
    Batch, Epoch, Examiner, Judged, Like, LoadError, Observation, Oracles, Places, Reached, Soaker, image_session,
};
use crate::sandbox::{self, Confinement};
use percuss_kernel::Quirk;
use percuss_kernel::event::Event;
use percuss_oracle::{Finding, lockstep};
use percuss_program::{Generator, Program};

/// Runs of a program that its statistics take: one, and one for each of 14 sizes.
const SIZES: u32 = 15;

/// An examiner as a worker's set-up describes it.
///
/// # Errors
/// See [`LoadError`].
pub fn examiner(setup: &Setup) -> Result<Examiner, LoadError> {
    let (session, facts) = image_session(&setup.image, &setup.name)?;
    let examiner = Examiner::new(session, facts, setup.quirks, setup.oracles)?;
    let base = match &setup.base {
        Some(Before { image, quirks }) => {
            let (session, facts) = image_session(image, "before")?;
            // All oracles: what is switched off for the change would else be taken for something new.
            Some(Examiner::new(session, facts, *quirks, Oracles::default())?)
        }
        None => None,
    };
    Ok(examiner.after(base, setup.judge))
}

/// A worker with its image loaded.
pub struct Serving {
    seed: u64,
    clock: Clock,
    examiner: Examiner,
    generator: Generator,
    soaker: Option<Soaker>,
    /// The image has quirk B14.
    window: bool,
    places: Places,
}

impl Serving {
    /// Loads the image, and gives up what only loading needed.
    ///
    /// # Errors
    /// The image does not load, or the system has no timer; in words, for percuss to show.
    pub fn new(setup: &Setup, soaker: Option<Soaker>, confinement: &mut Confinement) -> Result<Serving, String> {
        let examiner = examiner(setup).map_err(|e| e.to_string())?;
        // The image is mapped now, and the code of a stranger's tree that runs from here on needs no files.
        sandbox::after_loading(confinement);
        if let Some(soaker) = &soaker {
            // Such rules hold for a thread, so each has to give up the same.
            soaker.on_each(|| sandbox::after_loading(&mut Confinement::default()));
        }
        let clock = Clock::new().map_err(|e| format!("cannot limit CPU time: {e}"))?;
        let window = setup.quirks.has(Quirk::B14);
        let (generator, places) = (setup.generator(), setup.places.clone());
        Ok(Serving { seed: setup.seed, clock, examiner, generator, soaker, window, places })
    }

    /// Examines a generated program, under a strategy if it is one of those that a campaign schedules; `chosen` is called
    /// for each turn of the strategy before it is taken.
    fn generated(
        &mut self,
        index: u64,
        chosen: Option<&mut dyn FnMut(ChosenTurn)>,
        batch: &mut Batch,
    ) -> io::Result<()> {
        let program = self.generator.program(index);
        // Drawn from seed and index alone, so that every worker schedules this program in the same way.
        let Some(mut strategy) = schedule::strategy(self.seed, index, &program) else {
            return self.examine(index, &program, None, batch);
        };
        // The limit begins anew for each program, since a batch has any number of them.
        self.clock.allow(cpu_limit(&program))?;
        self.forget_counts();
        // Sending every turn costs a system call, so it is done only where the program may end the process.
        let (verdict, recorded) = match chosen {
            Some(send) => self.examiner.examine_under(&program, &mut Told::new(&mut *strategy, send))?,
            None => self.examiner.examine_under(&program, &mut *strategy)?,
        };
        // The program is kept with the turns that were taken, so that it replays without the strategy.
        self.note(index, &recorded, &verdict, batch);
        Ok(())
    }

    fn examine(&mut self, index: u64, program: &Program, limit: Option<Duration>, batch: &mut Batch) -> io::Result<()> {
        self.clock.allow(limit.unwrap_or_else(|| cpu_limit(program)))?;
        self.forget_counts();
        let verdict = self.examiner.examine(program)?;
        self.note(index, program, &verdict, batch);
        Ok(())
    }

    fn note(&mut self, index: u64, program: &Program, verdict: &Judged, batch: &mut Batch) {
        batch.programs += 1;
        batch.ops += verdict.ops;
        batch.events += verdict.events;
        batch.boot_failed += verdict.boot_failed as u64;
        batch.tally.merge(&verdict.tally);
        // Locks taken in order by different programs can be in conflict, which shows only when their graphs are merged.
        self.examiner.record_order(&mut batch.order, index);
        self.add_reached(&mut batch.reached);
        for f in &verdict.findings {
            batch.add(f, index, || program.encode());
        }
        batch.add_together(index, &verdict.findings);
    }

    /// Before a program whose places count: programs that are tried for another reason leave counts too.
    fn forget_counts(&self) {
        if !self.places.is_empty() {
            self.examiner.image_ref().shared().tenant.forget_counts();
        }
    }

    fn add_reached(&self, reached: &mut Reached) {
        if self.places.is_empty() {
            return;
        }
        let shared = self.examiner.image_ref().shared();
        let whole = shared.host.world().stopped().is_none();
        self.places.add_reached(&shared.tenant.counts(), whole, reached);
    }

    fn shows(&mut self, program: &Program, like: &Like) -> io::Result<bool> {
        self.clock.allow(cpu_limit(program))?;
        Ok(self.examiner.examine(program)?.findings.iter().any(|f| like.matches(f)))
    }
}

/// A finding that programs are made small for.
struct Shown<'a> {
    worker: &'a mut Serving,
    like: &'a Like,
}

impl Shrink for Shown<'_> {
    type Error = io::Error;

    fn by_op(&mut self, program: &Program) -> io::Result<Option<Program>> {
        if program.preemptions() == 0 || !self.worker.shows(program, self.like)? {
            return Ok(None);
        }
        // The run just made has left the trail of its turns, from which the schedule in whole ops is read.
        let schedule = percuss_run::by_op(self.worker.examiner.image_ref().trail());
        let mut by_op = Program { schedule, ..program.clone() };
        // The schedule may be longer than a program's may be.
        by_op.repair();
        Ok(self.worker.shows(&by_op, self.like)?.then_some(by_op))
    }

    fn reduce(&mut self, program: Program, tries: u32) -> io::Result<(Program, u32)> {
        reduce(program, tries, |candidate| self.worker.shows(candidate, self.like))
    }
}

impl Answer<RunBatch> for Serving {
    fn answer(&mut self, call: RunBatch, _: &mut dyn FnMut(NoNote)) -> io::Result<Batch> {
        let mut batch = Batch::default();
        for index in call.from..call.to {
            self.generated(index, None, &mut batch)?;
        }
        Ok(batch)
    }
}

impl Answer<RunSteps> for Serving {
    fn answer(&mut self, call: RunSteps, note: &mut dyn FnMut(StepNote)) -> io::Result<()> {
        for index in call.from..call.to {
            let mut batch = Batch::default();
            self.generated(index, Some(&mut |turn| note(StepNote::Turn(turn))), &mut batch)?;
            note(StepNote::Done(Box::new(batch)));
        }
        Ok(())
    }
}

impl Answer<RunOne> for Serving {
    fn answer(&mut self, call: RunOne, _: &mut dyn FnMut(NoNote)) -> io::Result<Batch> {
        let mut batch = Batch::default();
        let limit = call.limit_ms.map(Duration::from_millis);
        self.examine(0, &Program::decode(&call.program), limit, &mut batch)?;
        Ok(batch)
    }
}

impl Answer<Minimize> for Serving {
    fn answer(&mut self, call: Minimize, _: &mut dyn FnMut(NoNote)) -> io::Result<Minimized> {
        let mut shown = Shown { worker: self, like: &call.like };
        let (program, tried) = with_whole_ops(&mut shown, Program::decode(&call.program), call.tries)?;
        Ok(Minimized { program: program.encode(), tried })
    }
}

impl Answer<Cut> for Serving {
    fn answer(&mut self, call: Cut, _: &mut dyn FnMut(NoNote)) -> io::Result<Minimized> {
        let (program, tried) = reduce(Program::decode(&call.program), call.tries, |candidate| {
            // Candidates are no longer than the program, but each may hang where it did not.
            self.clock.allow(cpu_limit(candidate))?;
            Ok::<bool, io::Error>(self.examiner.order(candidate)?.has(&call.part))
        })?;
        Ok(Minimized { program: program.encode(), tried })
    }
}

impl Answer<ByOp> for Serving {
    fn answer(&mut self, call: ByOp, _: &mut dyn FnMut(NoNote)) -> io::Result<Vec<u8>> {
        let program = Program::decode(&call.program);
        let by_op = Shown { worker: self, like: &call.like }.by_op(&program)?;
        Ok(by_op.unwrap_or(program).encode())
    }
}

impl Answer<Locate> for Serving {
    fn answer(&mut self, call: Locate, _: &mut dyn FnMut(NoNote)) -> io::Result<Option<String>> {
        let program = Program::decode(&call.program);
        self.clock.allow(cpu_limit(&program))?;
        self.examiner.locate(&program, &call.like)
    }
}

impl Answer<AskBefore> for Serving {
    fn answer(&mut self, call: AskBefore, _: &mut dyn FnMut(NoNote)) -> io::Result<bool> {
        let program = Program::decode(&call.program);
        let limit = cpu_limit(&program);
        let Some(before) = self.examiner.before() else { return Ok(false) };
        let shows = |found: &[Finding]| found.iter().any(|f| (f.oracle, &f.title) == (call.oracle, &call.title));
        for near in schedule::near(&program) {
            self.clock.allow(limit)?;
            if shows(&before.examine(&near)?.findings) {
                return Ok(true);
            }
        }
        for mut strategy in schedule::others(&program) {
            self.clock.allow(limit)?;
            if shows(&before.examine_under(&program, &mut *strategy)?.0.findings) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Answer<AsItRuns> for Serving {
    fn answer(&mut self, call: AsItRuns, _: &mut dyn FnMut(NoNote)) -> io::Result<Vec<u8>> {
        let program = self.generator.program(call.index);
        self.clock.allow(cpu_limit(&program))?;
        let program = match schedule::strategy(self.seed, call.index, &program) {
            Some(mut strategy) => self.examiner.examine_under(&program, &mut *strategy)?.1,
            None => program,
        };
        Ok(program.encode())
    }
}

impl Answer<Observe> for Serving {
    fn answer(&mut self, call: Observe, _: &mut dyn FnMut(NoNote)) -> io::Result<Observation> {
        let program = Program::decode(&call.program);
        self.clock.allow(cpu_limit(&program))?;
        self.forget_counts();
        let mut observation = self.examiner.observe(&program)?;
        self.add_reached(&mut observation.reached);
        Ok(observation)
    }
}

impl Answer<RunEpoch> for Serving {
    fn answer(&mut self, call: RunEpoch, _: &mut dyn FnMut(NoNote)) -> io::Result<Epoch> {
        // Threads cannot be started later: the rules of the sandbox forbid it.
        let Some(soaker) = &self.soaker else { return Err(io::Error::other("a worker without threads")) };
        self.clock.allow(soaker.cpu_limit())?;
        soaker.run(&mut self.examiner, call.index, self.window)
    }
}

impl Answer<ReadStats> for Serving {
    fn answer(&mut self, call: ReadStats, _: &mut dyn FnMut(NoNote)) -> io::Result<Stats> {
        let program = Program::decode(&call.program);
        // It runs once for each size, on the image, the Model and in doubt on Models without a quirk.
        self.clock.allow(cpu_limit(&program) * SIZES)?;
        self.examiner.stats(&program)
    }
}

impl Answer<ReadLogs> for Serving {
    fn answer(&mut self, call: ReadLogs, _: &mut dyn FnMut(NoNote)) -> io::Result<Logs> {
        let program = &Program::decode(&call.program);
        self.clock.allow(cpu_limit(program))?;
        self.examiner.examine(program)?;
        self.examiner.model().run(program)?;
        let image = self.examiner.image().shared().host.clone();
        let model = self.examiner.model().session.shared().host.clone();
        let (a, b) = (image.world(), model.world());
        // Without a difference both logs are sent whole.
        let differs = lockstep::compare(a.events(), b.events()).map(|d| d.event);
        let end = differs.map_or(usize::MAX, |d| d + call.context);
        let start = differs.map_or(0, |d| d.saturating_sub(call.context));
        let lines = |events: &[Event]| {
            let end = end.min(events.len());
            events[start.min(end)..end].iter().map(|e| format!("{e:x?}")).collect()
        };
        Ok(Logs {
            image: lines(a.events()),
            model: lines(b.events()),
            differs: differs.map(|d| d - start),
            interleaving: Interleaving::of(program, a.events()),
            story: story(program, a.log()),
        })
    }
}
