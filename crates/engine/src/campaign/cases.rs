// SPDX-License-Identifier: GPL-2.0-only
//! Cases: findings with a program that a person can read.

use std::path::PathBuf;

use rayon::prelude::*;

use super::minimize::minimize;
use crate::judge::{Found, Like};
use crate::worker::{Lost, Setup};
use percuss_kernel::Quirk;
use percuss_program::Program;

/// A finding with its small program.
#[derive(Debug, Clone)]
pub struct Case {
    /// The finding, where it was first seen and how often.
    pub found: Found,
    /// The smallest program found that shows it.
    pub program: Program,
    /// The file with that program, once it is written.
    pub file: Option<PathBuf>,
}

impl Case {
    /// The quirk that accounts for it; None for a new finding.
    pub fn quirk(&self) -> Option<Quirk> {
        self.found.finding.quirk
    }
}

/// Programs that may be tried to make that of one finding small.
#[derive(Debug, Clone, Copy)]
pub struct Tries {
    pub new: u32,
    /// None leaves the programs of known findings as they are.
    pub known: Option<u32>,
}

/// A case for each finding, in the same order, made on `jobs` workers.
///
/// # Errors
/// No worker can be started.
pub fn cases(setup: &Setup, found: &[Found], tries: Tries, jobs: usize) -> Result<Vec<Case>, Lost> {
    let case = |f: &Found| {
        let whole = Program::decode(&f.program);
        let tries = if f.finding.quirk.is_some() { tries.known } else { Some(tries.new) };
        // Parts of a conflict that could not be put together are small already, and show nothing by themselves.
        let tries = tries.filter(|_| f.composed.as_ref().is_none_or(|c| c.whole));
        let program = match tries {
            Some(tries) => minimize(setup, &whole, &Like::of(&f.finding), tries)?.0,
            None => whole,
        };
        Ok(Case { found: f.clone(), program, file: None })
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).build().map_err(std::io::Error::other)?;
    pool.install(|| found.par_iter().map(case).collect())
}
