// SPDX-License-Identifier: GPL-2.0-only
//! Reports: verdicts for people and for machines, and findings as files.

mod human;
mod json;
mod save;
mod shares;

pub use human::{findings, human, side_by_side, tree};
pub use json::{SCHEMA, json, replay_json, tree_json};
pub use save::save;
pub use shares::Shares;

use crate::campaign::{Batch, Found};
use crate::image::Image;
use crate::program::Program;

/// Text programs that every check runs, by file name.
pub const CORPUS: &[(&str, &str)] = &[];

/// A finding with its small program.
#[derive(Debug, Clone)]
pub struct Case {
    /// The finding, where it was first seen and how often.
    pub found: Found,
    /// The smallest program found that shows it.
    pub program: Program,
}

/// The result of a check.
#[derive(Debug)]
pub struct Verdict<'a> {
    /// What was checked.
    pub image: &'a Image,
    /// Seed of the generator.
    pub seed: u64,
    /// Sums.
    pub batch: &'a Batch,
    /// Findings.
    pub cases: Vec<Case>,
    /// Shares of the geometry axes.
    pub shares: Shares,
    /// Seconds it took.
    pub seconds: f64,
}

impl Verdict<'_> {
    /// Number of new findings.
    pub fn new(&self) -> usize {
        self.cases.iter().filter(|c| c.found.finding.quirk.is_none()).count()
    }

    /// Number of known findings.
    pub fn known(&self) -> usize {
        self.cases.len() - self.new()
    }
}

/// Title of the change that ends a quirk, when one is known.
pub fn fix(quirk: &str) -> Option<&'static str> {
    crate::model::Quirks::ALL.iter().find(|q| q.name == quirk).and_then(|q| q.fix)
}
