// SPDX-License-Identifier: GPL-2.0-only
//! What the body of a target does.

use super::guard::{self, Story};
use super::lockstep::{Lockstep, StartError, worthwhile};
use super::target::{Kind, Target, target};
use crate::program::Program;

/// A target, ready for inputs.
#[derive(Debug)]
pub struct Runner {
    target: &'static Target,
    lockstep: Option<Lockstep>,
}

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
        Ok(Runner { target, lockstep })
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
        guard::begin(self.target, bytes);
        let keep = match self.target.kind {
            Kind::Program { boots, .. } => {
                let program = self.target.program(bytes).expect("this target's bytes are programs");
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
        if let Err(crash) = lockstep.run(program) {
            let title = crash.findings[0].title.clone();
            guard::blame(&Story { title: title.clone(), report: crash.report() });
            panic!("{title}");
        }
        true
    }
}
