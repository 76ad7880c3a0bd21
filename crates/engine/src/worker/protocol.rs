// SPDX-License-Identifier: GPL-2.0-only
//! The calls that a worker process answers. Programs travel in byte form.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::wire::{Answer, Call, NoNote, respond};
use crate::judge::interleaving::Interleaving;
use crate::judge::stats::Stats;
use crate::judge::story::Row;
use crate::judge::{Api, Batch, Epoch, JudgeBy, Like, Observation, Oracles, Places, Recipe};
use crate::sandbox::Confinement;
use percuss_kernel::{Quirk, Quirks};
use percuss_lockdep::Part;
use percuss_model::Facts;
use percuss_oracle::OracleKind;
use percuss_program::Generator;

/// The first line to a worker: what the process is for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Start {
    /// Answer calls until standard input ends.
    Serve(Setup),
    /// Load an image, answer [`FindQuirks`], then end.
    Load(Load),
}

impl Start {
    /// The image's shared object.
    pub fn image(&self) -> &Path {
        match self {
            Start::Serve(setup) => &setup.image,
            Start::Load(load) => &load.image,
        }
    }
}

/// What a worker serves with. As a call, it is answered once the worker is up; an error says why it is not.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Setup {
    /// The image's shared object.
    pub image: PathBuf,
    /// What reports call the image.
    pub name: String,
    /// Quirks that the Model is to have.
    pub quirks: Quirks,
    pub oracles: Oracles,
    /// The image before the change, which is asked whether it shows a finding, too.
    #[serde(default)]
    pub base: Option<Before>,
    /// Whether a divergence from the Model is a finding.
    #[serde(default)]
    pub judge: JudgeBy,
    /// Seed of generated programs.
    pub seed: u64,
    /// Tasks that a generated program has at least; 0 leaves it to the seed.
    #[serde(default)]
    pub tasks: usize,
    /// The worker runs epochs of this recipe, and has threads for them.
    #[serde(default)]
    pub soak: Option<Recipe>,
    /// Places of the image to look at after each program.
    #[serde(default)]
    pub places: Places,
    /// The executable that calls [`serve`](super::serve) when it is started with the argument `worker`. None is the
    /// running executable, which is right for the percuss command and wrong in tests, whose harness knows no such
    /// argument.
    #[serde(skip)]
    pub worker: Option<PathBuf>,
}

/// The image before a change: what a worker needs of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Before {
    /// Its shared object, in the directory of the changed image's, since a worker may read no other.
    pub image: PathBuf,
    pub quirks: Quirks,
}

impl Setup {
    /// The generator of its programs.
    pub fn generator(&self) -> Generator {
        Generator::new(self.seed).with_tasks(self.tasks)
    }
}

impl From<Setup> for Start {
    fn from(setup: Setup) -> Start {
        Start::Serve(setup)
    }
}

impl Call for Setup {
    type Wire = Start;
    type Note = NoNote;
    type Reply = Result<(), String>;
}

/// Loads an image to find out what it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Load {
    /// The image's shared object.
    pub image: PathBuf,
}

/// What an image says of itself, before any of its code has run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Loaded {
    pub facts: Facts,
    pub api: Api,
    /// What the system let the worker give up.
    pub confinement: Confinement,
}

impl From<Load> for Start {
    fn from(load: Load) -> Start {
        Start::Load(load)
    }
}

impl Call for Load {
    type Wire = Start;
    type Note = NoNote;
    type Reply = Result<Loaded, String>;
}

/// Runs the probe programs on a loaded image. It is a call of its own so that an image that crashes in a probe is known
/// to have loaded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FindQuirks {
    /// Quirks of the image before the change, for those that cannot be told here.
    pub base: Option<Quirks>,
}

/// Quirks of an image.
#[derive(Debug, Serialize, Deserialize)]
pub struct FoundQuirks {
    pub on: Quirks,
    /// Those whose probe program agreed with neither behaviour.
    pub undecided: Vec<Quirk>,
}

impl Call for FindQuirks {
    type Wire = FindQuirks;
    type Note = NoNote;
    type Reply = Result<FoundQuirks, String>;
}

/// Examines generated programs `from..to`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunBatch {
    pub from: u64,
    pub to: u64,
}

/// Examines generated programs `from..to` and sends a note for each, so that a program that ends the worker costs
/// neither the results before it nor its own schedule.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunSteps {
    pub from: u64,
    pub to: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub enum StepNote {
    /// The strategy that schedules the running program chose this turn, which has not been taken yet.
    Turn(ChosenTurn),
    /// The next program is done.
    Done(Box<Batch>),
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct ChosenTurn {
    pub lane: u8,
    pub points: u32,
    /// It goes on with the turn before it, which stopped within an op of the same lane.
    pub joins: bool,
}

/// Examines one program.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunOne {
    pub program: Vec<u8>,
    /// CPU time in milliseconds that replaces [`cpu_limit`](super::cpu_limit).
    pub limit_ms: Option<u64>,
}

/// Looks for a small program with the same finding.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Minimize {
    pub program: Vec<u8>,
    pub like: Like,
    /// Programs that may be tried.
    pub tries: u32,
}

/// Looks for a small program that still does its part of a conflict of locks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cut {
    pub program: Vec<u8>,
    pub part: Part,
    /// Programs that may be tried.
    pub tries: u32,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Minimized {
    pub program: Vec<u8>,
    /// Programs that were tried.
    pub tried: u32,
}

/// Rewrites the schedule of a program in whole-op turns; the reply is the program itself if the finding disappears.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ByOp {
    pub program: Vec<u8>,
    pub like: Like,
}

/// Where in the source a program shows a finding; the reply is None when no event says it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Locate {
    pub program: Vec<u8>,
    pub like: Like,
}

/// Asks the image before the change for a finding, under schedules near that of the program. The reply is false when
/// there is no such image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AskBefore {
    pub program: Vec<u8>,
    pub oracle: OracleKind,
    pub title: String,
}

/// Runs a generated program as a campaign does, and sends it with the schedule that it had there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AsItRuns {
    pub index: u64,
}

/// Runs one program with call sites recorded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Observe {
    pub program: Vec<u8>,
}

/// Runs an epoch on real threads, then replays it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunEpoch {
    pub index: u64,
}

/// Runs one program and sends both event logs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReadLogs {
    pub program: Vec<u8>,
    /// Events before and after the first difference that are wanted.
    pub context: usize,
}

/// Event logs of one program as text, one line an event.
#[derive(Debug, Serialize, Deserialize)]
pub struct Logs {
    pub image: Vec<String>,
    pub model: Vec<String>,
    /// Index of the first line that differs.
    pub differs: Option<usize>,
    /// Which task did what on the image.
    pub interleaving: Interleaving,
    /// What became of each op on the image.
    pub story: Vec<Row>,
}

/// Runs one program and sends what the allocator's memory was before and after it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReadStats {
    pub program: Vec<u8>,
}

/// The table of calls of a serving worker. A call that [`Answer`] is not implemented for does not compile.
macro_rules! calls {
    ($($name:ident => $note:ty, $reply:ty, $patience:literal;)*) => {
        /// A call to a serving worker, as its line is read.
        #[derive(Debug, Clone, Serialize, Deserialize)]
        pub enum AnyCall {
            $($name($name),)*
        }

        impl AnyCall {
            /// Carries out the call and sends the reply of its type.
            ///
            /// # Errors
            /// See [`respond`].
            pub fn respond<W: $(Answer<$name> +)*>(self, worker: &mut W, out: &mut impl Write) -> io::Result<()> {
                match self {
                    $(AnyCall::$name(call) => respond(worker, call, out),)*
                }
            }
        }

        $(
            impl From<$name> for AnyCall {
                fn from(call: $name) -> AnyCall {
                    AnyCall::$name(call)
                }
            }

            impl Call for $name {
                type Wire = AnyCall;
                type Note = $note;
                type Reply = $reply;
                const PATIENCE: u32 = $patience;
            }
        )*
    };
}

// Minimising runs hundreds of programs before it replies, and statistics one for each size, of which a few may use up their CPU time.
calls! {
    RunBatch => NoNote, Batch, 1;
    RunSteps => StepNote, (), 1;
    RunOne => NoNote, Batch, 1;
    Minimize => NoNote, Minimized, 20;
    Cut => NoNote, Minimized, 20;
    ByOp => NoNote, Vec<u8>, 1;
    Locate => NoNote, Option<String>, 1;
    AskBefore => NoNote, bool, 1;
    AsItRuns => NoNote, Vec<u8>, 1;
    Observe => NoNote, Observation, 1;
    RunEpoch => NoNote, Epoch, 1;
    ReadLogs => NoNote, Logs, 1;
    ReadStats => NoNote, Stats, 20;
}
