// SPDX-License-Identifier: GPL-2.0-only
//! What a campaign and its worker processes say to each other: one JSON object a line.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::judge::interleaving::Interleaving;
use crate::judge::{Api, Batch, Epoch, Like, Observation, Oracles, Recipe};
use crate::sandbox::Confinement;
use percuss_kernel::{Quirk, Quirks};
use percuss_lockdep::Part;
use percuss_model::Facts;
use percuss_program::{Generator, Program};

/// What a worker is to do: its first line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Start {
    /// Serve requests.
    Serve(Setup),
    /// Find out what an image is, then end.
    Probe {
        /// The image's shared object.
        image: std::path::PathBuf,
    },
}

impl Start {
    /// The image's shared object.
    pub fn image(&self) -> &std::path::Path {
        match self {
            Start::Serve(setup) => &setup.image,
            Start::Probe { image } => image,
        }
    }
}

/// What a worker serves with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Setup {
    /// The image's shared object.
    pub image: std::path::PathBuf,
    /// Name of the image in reports.
    pub name: String,
    /// Quirks of the Model.
    pub quirks: Quirks,
    /// Oracles that run.
    pub oracles: Oracles,
    /// Seed of generated programs.
    pub seed: u64,
    /// Tasks that a generated program has at least; 0 leaves it to the seed.
    #[serde(default)]
    pub tasks: usize,
    /// The worker runs epochs, and has threads for them.
    #[serde(default)]
    pub soak: Option<Recipe>,
    /// The executable that knows the `worker` command; ourselves when none is given (tests are not percuss).
    #[serde(skip)]
    pub worker: Option<std::path::PathBuf>,
}

impl Setup {
    /// The generator of its programs.
    pub fn generator(&self) -> Generator {
        Generator::new(self.seed).with_tasks(self.tasks)
    }
}

/// The CPU time that a program may use: a multiple of what any program needs, and the same on every machine.
pub fn cpu_limit(program: &Program) -> Duration {
    Duration::from_millis(1000 + program.nr_ops() as u64)
}

/// A request to a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Request {
    /// Examine generated programs `from..to`; with `step`, answer for each as soon as it is done, and at last with an
    /// empty batch.
    Batch { from: u64, to: u64, step: bool },
    /// Examine one program in byte form; it may use `limit_ms` of CPU time instead of [`cpu_limit`].
    One { program: Vec<u8>, limit_ms: Option<u64> },
    /// Find a small program that gives the same finding, trying at most `tries` programs.
    Minimize { program: Vec<u8>, like: Like, tries: u32 },
    /// Say the schedule of a program by op, if it still gives the finding then.
    ByOp { program: Vec<u8>, like: Like },
    /// Find a small program that still does its part of a conflict of locks, trying at most `tries` programs.
    Cut { program: Vec<u8>, part: Part, tries: u32 },
    /// Send a generated program with the schedule it runs under in a campaign.
    AsItRuns { index: u64 },
    /// Run one program with call sites recorded.
    Observe { program: Vec<u8> },
    /// Run an epoch on real threads, then replay it.
    Epoch { index: u64 },
    /// Run one program and send both event logs as text, `context` events before the first difference or the end.
    Logs { program: Vec<u8>, context: usize },
}

/// A worker's answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Reply {
    /// The worker is up.
    Ready,
    /// The image is loaded.
    Loaded { facts: Facts, api: Api, confinement: Confinement },
    /// Its quirks, and those whose programs agree with neither behaviour.
    Quirks { on: Quirks, undecided: Vec<Quirk> },
    /// It could not start.
    Failed { why: String },
    /// A program runs under a strategy, which has chosen this turn; `joins`: it goes on with the one before.
    Turn { lane: u8, points: u32, joins: bool },
    /// A batch, or one program of it, is done.
    Batch(Box<Batch>),
    /// One program is done.
    One(Box<Batch>),
    /// A program in byte form.
    Program { program: Vec<u8> },
    /// What came of an epoch.
    Epoch(Box<Epoch>),
    /// The smallest program found, and how many were tried.
    Minimized { program: Vec<u8>, tried: u32 },
    /// What one program did.
    Observed(Box<Observation>),
    /// Event logs as text, one line an event, and who did what on the image.
    Logs { image: Vec<String>, model: Vec<String>, differs_at: Option<usize>, interleaving: Interleaving },
}
