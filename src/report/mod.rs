// SPDX-License-Identifier: GPL-2.0-only
//! Reports: verdicts for people and for machines, and findings as files.

mod changes;
mod columns;
mod detection;
mod events;
mod human;
mod json;
mod layout;
mod matrix;
mod races;
mod save;
mod shares;
mod soak;
mod tree;

pub use changes::{Compared, changes, changes_json};
pub use columns::interleaving;
pub use detection::{detection, detection_json, detection_line, detection_markdown};
pub use events::log;
pub use human::{findings, heading, human, step};
pub use json::{SCHEMA, json, replay_json, step_error_json, tree_json};
pub use matrix::{matrix, matrix_json, matrix_markdown};
pub use races::{races, races_json};
pub use save::{prepare, save};
pub use shares::Shares;
pub use soak::{Soaked, soak, soak_json, soak_save};
pub use tree::tree;

use std::path::PathBuf;

use percuss_engine::image::Image;
use percuss_engine::judge::{Batch, Composed, Found, Oracles};
use percuss_kernel::Quirk;
use percuss_program::Program;

/// The text programs that every check runs, as (name, text).
pub fn corpus() -> impl Iterator<Item = (&'static str, &'static str)> {
    percuss_data::folder("corpora/lockstep")
}

/// Number of the first program of the corpus among the programs of a check: behind all generated ones.
pub const CORPUS_INDEX: u64 = 1 << 63;

/// A finding with its small program.
#[derive(Debug, Clone)]
pub struct Case {
    /// The finding, where it was first seen and how often.
    pub found: Found,
    /// The smallest program found that shows it.
    pub program: Program,
    /// The file with that program, when it was written.
    pub file: Option<PathBuf>,
}

impl Case {
    /// The quirk that accounts for it.
    pub fn quirk(&self) -> Option<Quirk> {
        self.found.finding.quirk
    }
}

/// The text program of the corpus that has this number.
pub fn corpus_name(index: u64) -> Option<&'static str> {
    let place = index.checked_sub(CORPUS_INDEX)?;
    corpus().nth(usize::try_from(place).ok()?).map(|(name, _)| name)
}

/// Where a program comes from.
fn origin(index: u64, seed: u64) -> String {
    match corpus_name(index) {
        Some(name) => format!("corpora/lockstep/{name}"),
        None => format!("program {index} of seed {seed}"),
    }
}

/// The programs that something was put together from.
fn together(composed: &Composed, seed: u64) -> String {
    composed.programs.iter().map(|index| origin(*index, seed)).collect::<Vec<_>>().join(" and ")
}

/// The place of a check in a series that is checked patch by patch.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// The last patch that is applied, from 1.
    pub number: usize,
    /// Patches of the series.
    pub of: usize,
    /// That patch's title.
    pub title: &'a str,
}

/// The result of a check.
#[derive(Debug)]
pub struct Verdict<'a> {
    /// What was checked.
    pub image: &'a Image,
    /// Its place in a series.
    pub step: Option<Step<'a>>,
    /// Seed of the generator.
    pub seed: u64,
    /// Tasks that each generated program has at least; 0 when the seed decides.
    pub tasks: usize,
    /// Oracles that ran.
    pub oracles: Oracles,
    /// The programs that come with percuss.
    pub corpus: &'a Batch,
    /// Generated programs.
    pub generated: &'a Batch,
    /// Findings of both.
    pub cases: Vec<Case>,
    /// Shares of the geometry axes.
    pub shares: Shares,
    /// Somebody stopped it.
    pub interrupted: bool,
    /// Seconds it took.
    pub seconds: f64,
}

impl Verdict<'_> {
    /// Number of new findings.
    pub fn count_new(&self) -> usize {
        self.cases.iter().filter(|c| c.quirk().is_none()).count()
    }

    /// Number of known findings.
    pub fn count_known(&self) -> usize {
        self.cases.len() - self.count_new()
    }
}
