// SPDX-License-Identifier: GPL-2.0-only
//! The worker process: loads an image, answers requests from standard input until it ends.

use std::io::{self, BufRead, Write};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, setrlimit};

use super::examine::Examiner;
use super::message::{Batch, Like, Reply, Request, Setup};
use crate::oracle::lockstep;
use crate::program::{Generator, Program};
use crate::world::event::Event;

/// Serves requests; returns when standard input ends.
///
/// # Errors
/// Standard input or output fail.
pub fn serve() -> io::Result<()> {
    let mut lines = io::stdin().lock().lines();
    let mut out = io::stdout().lock();
    let Some(first) = lines.next() else { return Ok(()) };
    let setup: Setup = serde_json::from_str(&first?)?;
    let mut worker = match Serving::new(&setup) {
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

fn say(out: &mut impl Write, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_string(reply)?;
    line.push('\n');
    out.write_all(line.as_bytes())?;
    out.flush()
}

/// No core files, no file writes: an image is somebody else's code.
fn confine() -> Result<(), String> {
    for (what, limit) in [(Resource::RLIMIT_CORE, 0), (Resource::RLIMIT_FSIZE, 0)] {
        setrlimit(what, limit, limit).map_err(|e| format!("cannot limit {what:?}: {e}"))?;
    }
    Ok(())
}

struct Serving {
    examiner: Examiner,
    generator: Generator,
}

impl Serving {
    fn new(setup: &Setup) -> Result<Serving, String> {
        let examiner = super::load::examiner(setup).map_err(|e| e.to_string())?;
        confine()?;
        Ok(Serving { examiner, generator: Generator::new(setup.seed) })
    }

    fn answer(&mut self, request: Request, out: &mut impl Write) -> io::Result<Reply> {
        Ok(match request {
            Request::Batch { from, to, step } => {
                let mut batch = Batch::default();
                for index in from..to {
                    if step {
                        say(out, &Reply::At { index })?;
                    }
                    let program = self.generator.program(index);
                    self.examine(index, &program, &mut batch)?;
                }
                Reply::Batch(Box::new(batch))
            }
            Request::One { program } => {
                let mut batch = Batch::default();
                self.examine(0, &Program::decode(&program), &mut batch)?;
                Reply::One(Box::new(batch))
            }
            Request::Minimize { program, like, budget_ms } => {
                self.minimize(Program::decode(&program), &like, Duration::from_millis(budget_ms))
            }
            Request::Logs { program, context } => self.logs(&Program::decode(&program), context)?,
        })
    }

    fn examine(&mut self, index: u64, program: &Program, batch: &mut Batch) -> io::Result<()> {
        let verdict = self.examiner.examine(program)?;
        batch.programs += 1;
        batch.ops += verdict.ops;
        batch.events += verdict.events;
        batch.boot_failed += verdict.boot_failed as u64;
        batch.tally.merge(&verdict.tally);
        for f in &verdict.findings {
            batch.add(f, index, || program.encode());
        }
        Ok(())
    }

    fn minimize(&mut self, program: Program, like: &Like, budget: Duration) -> Reply {
        let until = Instant::now() + budget;
        let mut tried = 0;
        let keep = |candidate: &Program| {
            if Instant::now() >= until {
                return false;
            }
            tried += 1;
            self.examiner.examine(candidate).is_ok_and(|v| v.findings.iter().any(|f| like.matches(f)))
        };
        let small = crate::program::minimize(program, keep, u32::MAX).program;
        Reply::Minimized { program: small.encode(), tried }
    }

    fn logs(&mut self, program: &Program, context: usize) -> io::Result<Reply> {
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
        Ok(Reply::Logs { image: lines(a.events()), model: lines(b.events()), differs_at: differs.map(|d| d - start) })
    }
}
