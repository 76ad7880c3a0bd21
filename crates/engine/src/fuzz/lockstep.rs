// SPDX-License-Identifier: GPL-2.0-only
//! Runs programs on the image that is linked into this process, beside the Model, judged by every oracle.

use percuss_shim as shim;

use super::guard;
use crate::judge::{Examiner, LoadError, Oracles, Soaker, on_world, probe};
use percuss_model::{Facts, Quirk, Quirks};
use percuss_oracle::Finding;
use percuss_program::Program;
use percuss_run::{Session, Threads, Unwatched};
use percuss_tenant::KernelC;
use percuss_world::threads::Grain;

/// Bytes of all units of a first chunk together above which a program is not worth running: copying and comparing them
/// takes longer than a thousand ops.
///
/// Generated programs cover such machines.
const HEAVY: u64 = 4 << 20;

/// True if a fuzzer should run the program.
pub fn worthwhile(program: &Program) -> bool {
    let boot = &program.boot;
    u64::from(boot.least_unit()) * u64::from(boot.cpus.count_ones()) <= HEAVY
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No image is linked into this process.
    #[error(transparent)]
    Image(#[from] shim::LoadError),
    /// The image cannot be run.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The system refuses memory or threads.
    #[error("cannot set up a World: {0}")]
    Io(#[from] std::io::Error),
    /// The C has no counters for the fuzzer, which would then mutate blindly and find next to nothing.
    #[error(
        "the C is not instrumented for libFuzzer: of {} functions {} have a counter and {} counted ({} counters in all). \
         It must be compiled by clang with -fsanitize=fuzzer-no-link (unset CC, or set PERCUSS_CC=clang-19)",
        .0.functions, .0.instrumented, .0.ran, .0.places
    )]
    Blind(shim::Coverage),
    /// The two images share writable memory, so one would change what the other remembers.
    #[error("the two images share writable memory")]
    Shared,
    /// AddressSanitizer is linked, but the World cannot tell it which areas are allocated.
    #[error("AddressSanitizer would not see an access to per-CPU memory that is not allocated")]
    Unfenced,
}

/// A new finding, with the program that shows it.
#[derive(Debug, Clone)]
pub struct Crash {
    /// The findings of the oracles, without those that a quirk accounts for.
    ///
    /// The first gives the title.
    pub findings: Vec<Finding>,
    pub program: Program,
}

impl Crash {
    /// All findings, in lines.
    pub fn report(&self) -> String {
        let mut out = String::new();
        for Finding { title, oracle, op, detail, .. } in &self.findings {
            out += &format!("{title}\noracle {}, op {op:#x}\n{}\n", oracle.name(), detail.to_string().trim_end());
        }
        out
    }
}

/// Fails with the findings that no quirk accounts for, if there are any.
fn judged(findings: Vec<Finding>, program: &Program) -> Result<(), Box<Crash>> {
    let findings: Vec<Finding> = findings.into_iter().filter(|f| f.quirk.is_none()).collect();
    if findings.is_empty() { Ok(()) } else { Err(Box::new(Crash { findings, program: program.clone() })) }
}

/// An image that a fuzzer can work with: loaded, visible to the fuzzer, and with known quirks.
pub(super) struct Ready {
    pub session: Session<KernelC>,
    pub facts: Facts,
    pub quirks: Quirks,
    pub coverage: shim::Coverage,
}

impl Ready {
    /// Loads an image, and checks with a small program that the fuzzer and AddressSanitizer see what it does.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn of(image: shim::Image, name: &str) -> Result<Ready, StartError> {
        let (mut session, facts) = on_world(image, name)?;
        // Every op calls into the C, so an instrumented build has counted something afterwards.
        let text = "task a\nx = alloc 64\ny = alloc 32K\nfree x\nbalance\nphys x\nis-static x\nnr-pages\n";
        let program = text.parse::<Program>().expect("the program above is one");
        session.run(&program, &mut Unwatched)?;
        let coverage = session.shared().tenant.coverage();
        // A build without any counters is no fuzz target but a test or a coverage report.
        if coverage.places > 0 && (coverage.instrumented < coverage.functions || coverage.ran == 0) {
            return Err(StartError::Blind(coverage));
        }
        if session.shared().host.world().is_fenced() == Some(false) {
            return Err(StartError::Unfenced);
        }
        let (quirks, _) = probe(&mut session, facts, None)?;
        Ok(Ready { session, facts, quirks, coverage })
    }
}

/// The linked image beside the Model, ready for programs.
///
/// A reset before each restores everything, so an input behaves the same at any place in a session.
#[derive(Debug)]
pub struct Lockstep {
    examiner: Examiner,
    coverage: shim::Coverage,
    /// The tree has quirk B14, which the replay of threads allows for.
    window: bool,
}

impl Lockstep {
    /// Loads the linked image, checks that the fuzzer sees into it, and probes its quirks.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start() -> Result<Lockstep, StartError> {
        let Ready { session, facts, quirks, coverage } = Ready::of(shim::Image::linked()?, "C")?;
        let window = quirks.has(Quirk::B14);
        Ok(Lockstep { examiner: Examiner::new(session, facts, quirks, Oracles::default())?, coverage, window })
    }

    /// The counters of the C, as found at the start.
    pub fn coverage(&self) -> shim::Coverage {
        self.coverage
    }

    /// Drops the booted machine, so that the next program boots even with the same geometry.
    pub fn power_off(&mut self) {
        self.examiner.image().power_off();
        self.examiner.model().session.power_off();
    }

    /// Runs a program on image and Model. Findings that a quirk accounts for are known, and do not fail.
    ///
    /// # Errors
    /// A new finding.
    ///
    /// # Panics
    /// The system has no memory for a stack.
    pub fn run(&mut self, program: &Program) -> Result<(), Box<Crash>> {
        let verdict = self.examiner.examine(program).expect("memory for stacks");
        judged(verdict.findings, program)
    }

    /// Runs the tasks on real threads, records the order in which they had the World as a schedule, and replays that on
    /// image and Model.
    ///
    /// # Errors
    /// A new finding.
    ///
    /// # Panics
    /// The system has no memory for a stack.
    pub(super) fn run_free(&mut self, program: &Program, threads: &Threads) -> Result<(), Box<Crash>> {
        // Threads yield the World at scheduling points only, so that the recorded order can be replayed.
        let (free, verdict) = self.examiner.examine_free(program, threads, Grain::Points).expect("memory for stacks");
        let program = Program { schedule: free.turns, ..program.clone() };
        // From here on a crash is blamed on the program with this order, which replays it.
        guard::note(&program);
        // The replay runs on the same image and would overwrite the log it is compared with.
        let log = self.examiner.image_ref().shared().host.world().events().to_vec();
        let replay = Soaker::replay(&mut self.examiner, &program, &log, self.window, verdict.findings);
        // The order in which threads ran must not show in what the next input counts.
        self.examiner.settle().expect("memory for stacks");
        judged(replay.expect("memory for stacks").0, &program)
    }
}
