// SPDX-License-Identifier: GPL-2.0-only
//! What the body of a target does.

use percuss_shim::Counters;

use super::guard::{self, Story};
use super::lockstep::{Lockstep, StartError, worthwhile};
use super::quiet::Quiet;
use super::shape;
use super::target::{Kind, Target, target};
use crate::program::Program;

/// A target, ready for inputs.
#[derive(Debug)]
pub struct Runner {
    target: &'static Target,
    lockstep: Option<Lockstep>,
    /// Threads for the tasks.
    quiet: Option<Quiet>,
    /// How often each input of threads runs again, for those who want to see whether the same is counted each time.
    repeat: usize,
}

/// Names how often each input of threads runs again.
const REPEAT: &str = "PERCUSS_REPEAT";

impl Runner {
    /// Starts the target of a name.
    ///
    /// # Errors
    /// The image is not there, or the fuzzer could not see what it does.
    ///
    /// # Panics
    /// There is no such target.
    pub fn start(name: &str) -> Result<Runner, StartError> {
        let target = target(name).expect("targets are in the table");
        guard::install();
        let lockstep = match target.kind {
            Kind::Program { .. } => Some(Lockstep::start()?),
            Kind::Parser(_) => None,
        };
        let quiet = match target.kind {
            Kind::Program { threads: true, .. } => Some(Quiet::new()?),
            _ => None,
        };
        let repeat = std::env::var(REPEAT).ok().and_then(|n| n.parse().ok()).unwrap_or(1);
        Ok(Runner { target, lockstep, quiet, repeat })
    }

    /// Starts a target's process, or ends it with exit code 2 and a message.
    pub fn start_or_exit(name: &str) -> Runner {
        let runner = Runner::start(name).unwrap_or_else(|e| {
            eprintln!("{name}: {e}");
            std::process::exit(2);
        });
        if let Some(lockstep) = &runner.lockstep {
            let c = lockstep.coverage();
            let (seen, all, places) = (c.instrumented, c.functions, c.places);
            eprintln!("{name}: {seen} of {all} C functions instrumented, {places} counters in all");
        }
        runner
    }

    /// The target.
    pub fn target(&self) -> &'static Target {
        self.target
    }

    /// Counters of the C that are set: what of it has run since the fuzzer last looked.
    pub fn coverage(&self) -> Option<percuss_shim::Coverage> {
        self.lockstep.as_ref().map(Lockstep::coverage)
    }

    /// Runs an input; false when it is not worth keeping.
    ///
    /// # Panics
    /// On a new finding, after its story has been told: that is how fuzzers learn of one.
    pub fn run(&mut self, bytes: &[u8]) -> bool {
        let keep = self.once(bytes);
        if self.quiet.is_some() && self.repeat > 1 {
            let odd = self.odd(bytes, self.repeat);
            let (name, repeat, n) = (self.target.name, self.repeat, odd.len());
            assert!(odd.is_empty(), "{name}: of {repeat} runs {n} counted otherwise than the first, at {odd:?} places");
        }
        keep
    }

    /// Runs an input so many times. The number of places that counted otherwise than in the first of them, for each run
    /// that did.
    fn odd(&mut self, bytes: &[u8], times: usize) -> Vec<usize> {
        let counted = |runner: &mut Runner| -> Vec<u8> {
            let [mut before, mut after] = [Counters::default(), Counters::default()];
            before.note();
            runner.once(bytes);
            after.note();
            after.noted().iter().zip(before.noted()).map(|(a, b)| a.wrapping_sub(*b)).collect()
        };
        let first = counted(self);
        let places = |other: Vec<u8>| first.iter().zip(other).filter(|(a, b)| **a != *b).count();
        (1..times).map(|_| places(counted(self))).filter(|n| *n > 0).collect()
    }

    fn once(&mut self, bytes: &[u8]) -> bool {
        guard::begin(self.target, bytes);
        let keep = match self.target.kind {
            Kind::Program { boots, threads, .. } => {
                let mut program = self.target.program(bytes).expect("this target's bytes are programs");
                if threads {
                    // Counted is what they do in an order that the program alone decides.
                    program.schedule = shape::in_turn(&program);
                    guard::note(&program);
                }
                self.program(&program, boots)
            }
            Kind::Parser(parse) => {
                parse(bytes);
                true
            }
        };
        guard::end();
        keep
    }

    fn program(&mut self, program: &Program, boots: bool) -> bool {
        if !worthwhile(program) {
            return false;
        }
        let lockstep = self.lockstep.as_mut().expect("programs have an image");
        if boots {
            lockstep.power_off();
        }
        let mut result = lockstep.run(program);
        if let (Ok(()), Some(quiet)) = (&result, &mut self.quiet) {
            result = quiet.uncounted(|threads| lockstep.run_free(program, threads));
        }
        if let Err(crash) = result {
            let title = crash.findings[0].title.clone();
            guard::blame(&Story { title: title.clone(), report: crash.report() });
            panic!("{title}");
        }
        true
    }
}
