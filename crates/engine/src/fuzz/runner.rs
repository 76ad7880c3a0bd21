// SPDX-License-Identifier: GPL-2.0-only
//! The body of a fuzz target: starts what the target needs, and runs one input after the other.

use std::collections::BTreeSet;

use percuss_shim as shim;

use super::guard::{self, Story};
use super::lockstep::{Crash, Lockstep, StartError, worthwhile};
use super::pair::Pair;
use super::quiet::Quiet;
use super::shape;
use super::target::{Beside, Kind, Target, target};
use percuss_program::Program;

/// The function from which a target gets its second image.
pub type Second = fn() -> Result<shim::Image, shim::LoadError>;

/// A target that is ready for inputs.
///
/// One for each process.
#[derive(Debug)]
pub struct Runner {
    target: &'static Target,
    subject: Subject,
    /// Number of runs of each input of threads.
    ///
    /// More than one tests whether the same is counted each time.
    repeat: usize,
}

/// What inputs are run on.
#[derive(Debug)]
enum Subject {
    Lockstep(Box<Lockstep>),
    /// The same, and then the tasks on real threads.
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
                // First by the Model alone, so that a finding that needs no threads has a program without their order.
                lockstep.run(program)?;
                quiet.uncounted(|threads| lockstep.run_free(program, threads))
            }
            Subject::Pair(pair) => pair.run(program).map(|_| ()),
            Subject::Parser => Ok(()),
        }
    }
}

/// Environment variable with the number of runs of each input of threads, for tests of [`Quiet`].
const REPEAT: &str = "PERCUSS_REPEAT";

/// The runs of an input that counted otherwise than its first.
struct Odd {
    runs: usize,
    /// Places of the C or Rust code whose counters differed.
    places: Vec<String>,
}

impl Runner {
    /// Starts a target by name, with its second image if it has one.
    ///
    /// # Errors
    /// The image is not there, or the fuzzer could not see what it does.
    ///
    /// # Panics
    /// There is no such target.
    pub fn start(name: &str, second: Option<Second>) -> Result<Runner, StartError> {
        let target = target(name).expect("targets are in the table");
        // Before the image is loaded, since a panic while it boots has to be reported, too.
        guard::install();
        let subject = match target.kind {
            Kind::Program { beside: Beside::Model, .. } => Subject::Lockstep(Box::new(Lockstep::start()?)),
            Kind::Program { beside: Beside::Threads, .. } => {
                Subject::Threads(Box::new(Lockstep::start()?), Quiet::new()?)
            }
            Kind::Program { beside: Beside::Image, .. } => {
                // Only the binary of `patched` has a second image linked in.
                let second = second.ok_or(shim::LoadError::NotLinked)?;
                Subject::Pair(Box::new(Pair::of(shim::Image::linked()?, second()?)?))
            }
            Kind::Parser(_) => Subject::Parser,
        };
        // A fuzzer's process takes no arguments of ours: libFuzzer reads them all.
        let repeat = std::env::var(REPEAT).ok().and_then(|n| n.parse().ok()).unwrap_or(1);
        Ok(Runner { target, subject, repeat })
    }

    /// Starts a target for a fuzzer's process.
    ///
    /// If it cannot start, prints why and exits with code 2.
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

    pub fn target(&self) -> &'static Target {
        self.target
    }

    /// Counters of the C that are set: what ran since the fuzzer last cleared them.
    ///
    /// None for parsers.
    pub fn coverage(&self) -> Option<shim::Coverage> {
        self.subject.coverage()
    }

    /// Runs an input. False asks the fuzzer not to keep it.
    ///
    /// # Panics
    /// On a new finding, after it was printed: fuzzers notice a finding by the death of the process.
    pub fn run(&mut self, bytes: &[u8]) -> bool {
        let keep = self.once(bytes);
        if matches!(self.subject, Subject::Threads(..)) && self.repeat > 1 {
            let odd = self.odd(bytes, self.repeat);
            let (name, repeat, n, places) = (self.target.name, self.repeat, odd.runs, odd.places.join("\n"));
            assert!(n == 0, "{name}: of {repeat} runs {n} counted otherwise than the first, in\n{places}");
        }
        keep
    }

    /// Runs an input `times` times, and compares what the first run counted with the others.
    fn odd(&mut self, bytes: &[u8], times: usize) -> Odd {
        let [mut before, mut after] = [shim::Counters::default(), shim::Counters::default()];
        // The first call allocates, which would count.
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
                    // What is counted is this run, in an order that the program alone decides. The threads run
                    // uncounted afterwards.
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
        // A panic between two inputs must not be blamed on the last one.
        guard::end();
        keep
    }

    fn program(&mut self, program: &Program, boots: bool) -> bool {
        if !worthwhile(program) {
            return false;
        }
        // Otherwise the machine of the last input is reset, which takes far less time than a boot.
        if boots {
            self.subject.power_off();
        }
        if let Err(crash) = self.subject.run(program) {
            let story = Story { title: crash.findings[0].title.clone(), report: crash.report() };
            guard::blame(&story);
            // No other process has both images, so the program is made small here. Programs of other targets are made
            // small when their findings are filed.
            if let Subject::Pair(pair) = &mut self.subject {
                guard::smaller(&story, &pair.minimize(&crash));
            }
            panic!("{}", story.title);
        }
        true
    }
}
