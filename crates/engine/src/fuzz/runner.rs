// SPDX-License-Identifier: GPL-2.0-only
//! What the body of a target does.

use std::collections::BTreeSet;

use percuss_shim as shim;

use super::guard::{self, Story};
use super::lockstep::{Crash, Lockstep, StartError, worthwhile};
use super::pair::Pair;
use super::quiet::Quiet;
use super::shape;
use super::target::{Beside, Kind, Target, target};
use percuss_program::Program;

/// Where a target has its second image from.
pub type Second = fn() -> Result<shim::Image, shim::LoadError>;

/// A target, ready for inputs.
#[derive(Debug)]
pub struct Runner {
    target: &'static Target,
    subject: Subject,
    /// How often each input of threads runs again, for those who want to see whether the same is counted each time.
    repeat: usize,
}

/// What runs the inputs.
#[derive(Debug)]
enum Subject {
    Lockstep(Box<Lockstep>),
    /// The same, and then on threads.
    Threads(Box<Lockstep>, Quiet),
    Pair(Box<Pair>),
    Parser,
}

impl Subject {
    fn coverage(&self) -> Option<shim::Coverage> {
        match self {
            Subject::Lockstep(lockstep) | Subject::Threads(lockstep, _) => Some(lockstep.coverage()),
            Subject::Pair(pair) => Some(pair.coverage()),
            Subject::Parser => None,
        }
    }

    fn power_off(&mut self) {
        match self {
            Subject::Lockstep(lockstep) | Subject::Threads(lockstep, _) => lockstep.power_off(),
            Subject::Pair(pair) => pair.power_off(),
            Subject::Parser => {}
        }
    }

    fn run(&mut self, program: &Program) -> Result<(), Box<Crash>> {
        match self {
            Subject::Lockstep(lockstep) => lockstep.run(program),
            Subject::Threads(lockstep, quiet) => {
                lockstep.run(program)?;
                quiet.uncounted(|threads| lockstep.run_free(program, threads))
            }
            Subject::Pair(pair) => pair.run(program).map(|_| ()),
            Subject::Parser => Ok(()),
        }
    }
}

/// Names how often each input of threads runs again.
const REPEAT: &str = "PERCUSS_REPEAT";

/// Runs of an input that counted otherwise than the first.
struct Odd {
    runs: usize,
    /// Where they did.
    places: Vec<String>,
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
            Kind::Program { beside: Beside::Threads, .. } => {
                Subject::Threads(Box::new(Lockstep::start()?), Quiet::new()?)
            }
            Kind::Program { beside: Beside::Image, .. } => {
                let second = second.ok_or(shim::LoadError::NotLinked)?;
                Subject::Pair(Box::new(Pair::of(shim::Image::linked()?, second()?)?))
            }
            Kind::Parser(_) => Subject::Parser,
        };
        let repeat = std::env::var(REPEAT).ok().and_then(|n| n.parse().ok()).unwrap_or(1);
        Ok(Runner { target, subject, repeat })
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
        let keep = self.once(bytes);
        if matches!(self.subject, Subject::Threads(..)) && self.repeat > 1 {
            let odd = self.odd(bytes, self.repeat);
            let (name, repeat, n, places) = (self.target.name, self.repeat, odd.runs, odd.places.join("\n"));
            assert!(n == 0, "{name}: of {repeat} runs {n} counted otherwise than the first, in\n{places}");
        }
        keep
    }

    /// Runs an input so many times, and compares what the first of them counted with what the others did.
    fn odd(&mut self, bytes: &[u8], times: usize) -> Odd {
        let [mut before, mut after] = [shim::Counters::default(), shim::Counters::default()];
        // The first time they make room, which would count.
        before.note();
        after.note();
        let (mut first, mut runs, mut places) = (None, 0, BTreeSet::new());
        // One loop for all of them: code that looks, if it stood here twice, would count once in each place.
        for _ in 0..times {
            before.note();
            self.once(bytes);
            after.note();
            let counted = after.noted().iter().zip(before.noted()).map(|(a, b)| a.wrapping_sub(*b));
            let counted: Vec<u8> = counted.collect();
            let first = first.get_or_insert_with(|| counted.clone());
            runs += usize::from(counted != *first);
            places.extend((0..counted.len()).filter(|i| first[*i] != counted[*i]));
        }
        Odd { runs, places: places.into_iter().map(|i| after.place(i)).collect() }
    }

    fn once(&mut self, bytes: &[u8]) -> bool {
        guard::begin(self.target, bytes);
        let keep = match self.target.kind {
            Kind::Program { boots, beside, .. } => {
                let mut program = self.target.program(bytes).expect("this target's bytes are programs");
                if beside == Beside::Threads {
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
        if boots {
            self.subject.power_off();
        }
        if let Err(crash) = self.subject.run(program) {
            let story = Story { title: crash.findings[0].title.clone(), report: crash.report() };
            guard::blame(&story);
            // Nobody else has both images. Programs of the others are made small by who keeps their findings.
            if let Subject::Pair(pair) = &mut self.subject {
                guard::smaller(&story, &pair.minimize(&crash));
            }
            panic!("{}", story.title);
        }
        true
    }
}
