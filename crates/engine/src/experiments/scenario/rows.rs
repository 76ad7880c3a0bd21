// SPDX-License-Identifier: GPL-2.0-only
//! The rows: what is asked, the programs that are run, and how the answer is read off them.

use super::cells;
use percuss_program::Program;

use crate::judge::Observation;

/// One case of the review: a question, and the programs whose runs answer it.
#[derive(Debug)]
pub struct Row {
    /// Its name in the discussion.
    pub name: &'static str,
    pub question: &'static str,
    /// Files of the programs, by label; the stories are in them.
    pub files: &'static [(&'static str, &'static str)],
    pub cell: fn(&[&Observation]) -> String,
}

impl Row {
    /// The texts of the programs with their labels; a comment in each tells its story.
    pub fn texts(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.files.iter().map(|(label, file)| (*label, percuss_data::file(file)))
    }

    /// The programs with their labels.
    ///
    /// # Panics
    /// One of them is no program; a test reads them all.
    pub fn programs(&self) -> impl Iterator<Item = (&'static str, Program)> {
        let read = |(label, text): (_, &str)| (label, text.parse().expect("scenario programs are tested"));
        self.texts().map(read)
    }
}

macro_rules! files {
    ($($label:literal: $file:literal),+) => {
        &[$(($label, concat!("corpora/scenarios/", $file, ".percuss"))),+]
    };
}

/// All rows, in the order of the discussion. Names are those that the review uses, so that both can be read together.
pub const ROWS: &[Row] = &[
    Row {
        name: "S1",
        question: "GFP_KERNEL caller against a NOFS caller under the fs lock",
        files: files!["pages array absent": "S1-array-absent", "pages array present": "S1-array-present"],
        cell: cells::fs_cycle,
    },
    Row {
        name: "S2",
        question: "NOIO caller inside a frozen queue against an IO-reclaiming holder",
        files: files!["": "S2"],
        cell: cells::io_cycle,
    },
    Row {
        name: "S3a",
        question: "an FS-gated shrinker allocates percpu memory while the mutex is held",
        files: files!["": "S3a"],
        cell: cells::recursion,
    },
    Row { name: "S3b", question: "the same, shrinker not gated", files: files!["": "S3b"], cell: cells::recursion },
    Row {
        name: "S4",
        question: "193 devices without populated room, NOIO and NOFS: early failures, worker not run / run",
        files: files![
            "NOIO, worker not run": "S4-noio-not-run", "NOIO, worker run": "S4-noio-run",
            "NOFS, worker not run": "S4-nofs-not-run", "NOFS, worker run": "S4-nofs-run"
        ],
        cell: cells::early_failures,
    },
    Row {
        name: "S5",
        question: "__GFP_NOFAIL caller when backing pages run out: KERNEL; NOIO; KERNEL with NORETRY",
        files: files!["GFP_KERNEL": "S5", "GFP_NOIO": "S5-noio", "with __GFP_NORETRY": "S5-noretry"],
        cell: cells::nofail,
    },
    Row {
        name: "S6",
        question: "GFP_KERNEL caller when only FS or IO reclaim frees pages: with kswapd; without",
        files: files!["kswapd runs": "S6", "kswapd does not run": "S6-no-kswapd"],
        cell: cells::waiting,
    },
    Row {
        name: "S7",
        question: "sites that may enter FS reclaim under the mutex: first populate ever; later ones",
        files: files!["first": "S7-first", "later": "S7-later"],
        cell: cells::populates,
    },
    Row {
        name: "S9",
        question: "the balance worker enters FS or IO reclaim",
        files: files!["": "S9"],
        cell: cells::worker,
    },
    Row {
        name: "S10",
        question: "kswapd waits for pcpu_alloc_mutex (in a shrinker); for an fs lock whose holder waits for it",
        files: files!["shrinker": "S10-shrinker", "fs lock": "S10-fs"],
        cell: cells::kswapd,
    },
];
