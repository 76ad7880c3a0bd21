// SPDX-License-Identifier: GPL-2.0-only
//! What the body of a target does.

use percuss_shim as shim;

use super::guard::{self, Story};
use super::lockstep::{Crash, Lockstep, StartError, worthwhile};
use super::pair::Pair;
use super::target::{Beside, Kind, Target, target};
use crate::program::Program;

/// Where a target has its second image from.
pub type Second = fn() -> Result<shim::Image, shim::LoadError>;

/// A target, ready for inputs.
#[derive(Debug)]
pub struct Runner {
    target: &'static Target,
    subject: Subject,
}

/// What runs the inputs.
#[derive(Debug)]
enum Subject {
    Lockstep(Box<Lockstep>),
    Pair(Box<Pair>),
    Parser,
}

impl Subject {
    fn coverage(&self) -> Option<shim::Coverage> {
        match self {
            Subject::Lockstep(lockstep) => Some(lockstep.coverage()),
            Subject::Pair(pair) => Some(pair.coverage()),
            Subject::Parser => None,
        }
    }

    fn power_off(&mut self) {
        match self {
            Subject::Lockstep(lockstep) => lockstep.power_off(),
            Subject::Pair(pair) => pair.power_off(),
            Subject::Parser => {}
        }
    }

    fn run(&mut self, program: &Program) -> Result<(), Box<Crash>> {
        match self {
            Subject::Lockstep(lockstep) => lockstep.run(program),
            Subject::Pair(pair) => pair.run(program).map(|_| ()),
            Subject::Parser => Ok(()),
        }
    }
}

impl Runner {
    /// Starts the target of a name, which has a second image or none.
    ///
    /// # Errors
    /// The image is not there, or the fuzzer could not see what it does.
    ///
    /// # Panics
    /// There is no such target.
    pub fn start(name: &str, second: Option<Second>) -> Result<Runner, StartError> {
        let target = target(name).expect("targets are in the table");
        guard::install();
        let subject = match target.kind {
            Kind::Program { beside: Beside::Model, .. } => Subject::Lockstep(Box::new(Lockstep::start()?)),
            Kind::Program { beside: Beside::Image, .. } => {
                let second = second.ok_or(shim::LoadError::NotLinked)?;
                Subject::Pair(Box::new(Pair::of(shim::Image::linked()?, second()?)?))
            }
            Kind::Parser(_) => Subject::Parser,
        };
        Ok(Runner { target, subject })
    }

    /// Starts a target's process, or ends it with exit code 2 and a message.
    pub fn start_or_exit(name: &str, second: Option<Second>) -> Runner {
        let runner = Runner::start(name, second).unwrap_or_else(|e| {
            eprintln!("{name}: {e}");
            std::process::exit(2);
        });
        if let Some(c) = runner.coverage() {
            let (seen, all, places) = (c.instrumented, c.functions, c.places);
            eprintln!("{name}: {seen} of {all} C functions instrumented, {places} counters in all");
        }
        if let Subject::Pair(pair) = &runner.subject {
            eprintln!("{name}: {}", pair.known());
        }
        runner
    }

    /// The target.
    pub fn target(&self) -> &'static Target {
        self.target
    }

    /// Counters of the C that are set: what of it has run since the fuzzer last looked.
    pub fn coverage(&self) -> Option<shim::Coverage> {
        self.subject.coverage()
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
        if boots {
            self.subject.power_off();
        }
        if let Err(crash) = self.subject.run(program) {
            let title = crash.findings[0].title.clone();
            guard::blame(&Story { title: title.clone(), report: crash.report() });
            panic!("{title}");
        }
        true
    }
}
