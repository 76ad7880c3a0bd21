// SPDX-License-Identifier: GPL-2.0-only
//! Reports: verdicts for people and for machines, and findings as files. All but the last only turn results into text;
//! nothing is run or printed here, so that tests can compare it with snapshots. A name with `json` is the form for
//! machines.

mod causes;
mod changes;
mod columns;
mod coverage;
mod detection;
mod differences;
mod events;
mod facts;
mod geometry;
mod gone;
mod human;
mod json;
mod known;
mod layout;
mod matrix;
mod ops;
mod program;
mod races;
mod replay;
mod save;
mod shares;
mod soak;
mod stats;
mod tree;

pub use changes::{Compared, changes, changes_json};
pub use columns::interleaving;
pub use coverage::{coverage, without_finding};
pub use detection::{detection, detection_json, detection_line, detection_markdown};
pub use events::log;
pub use human::{heading, human, step};
pub use json::{SCHEMA, json, replay_json, step_error_json, tree_json};
pub use matrix::{matrix, matrix_json, matrix_markdown};
pub use ops::{ops, replayed};
pub use races::{races, races_json};
pub use replay::findings;
pub use save::{prepare, save};
pub use soak::{Soaked, soak, soak_json, soak_save};
pub use stats::stats;
pub use tree::tree;

use percuss_engine::campaign::corpus_name;
use percuss_engine::judge::Composed;

fn origin(index: u64, seed: u64) -> String {
    // A program of the corpus is a file; a generated one is named by what generates it again.
    match corpus_name(index) {
        Some(name) => format!("corpora/lockstep/{name}"),
        None => format!("program {index} of seed {seed}"),
    }
}

fn together(composed: &Composed, seed: u64) -> String {
    composed.programs.iter().map(|index| origin(*index, seed)).collect::<Vec<_>>().join(" and ")
}
