// SPDX-License-Identifier: GPL-2.0-only
//! Cases: findings with a program that a person can read.

use std::path::PathBuf;

use rayon::prelude::*;

use super::minimize::minimize;
use crate::judge::{Found, JudgeBy, Like};
use crate::worker::{Lost, Setup};
use percuss_kernel::{Quirk, Quirks};
use percuss_oracle::{Finding, OracleKind};
use percuss_program::Program;

/// What a finding means for the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It counts: nothing accounts for it.
    New,
    /// The change does something else than the image before it, which breaks no rule by itself.
    Differs,
    /// The image before the change shows it, too, and no quirk accounts for it.
    Before,
    /// A quirk accounts for it, which the image before the change has, if there is one.
    Known,
}

impl Standing {
    /// Of a finding of an image by itself.
    pub fn alone(f: &Finding) -> Standing {
        match f.quirk {
            Some(_) => Standing::Known,
            None if f.before => Standing::Before,
            None => Standing::New,
        }
    }

    /// Of a finding of a change that brings these quirks.
    pub fn after(f: &Finding, gained: Quirks, judge: JudgeBy) -> Standing {
        match f.quirk {
            Some(quirk) if gained.has(quirk) && !f.before => Standing::New,
            None if !f.before && f.oracle == OracleKind::Lockstep && judge != JudgeBy::Lockstep => Standing::Differs,
            _ => Standing::alone(f),
        }
    }
}

/// A finding with its small program.
#[derive(Debug, Clone)]
pub struct Case {
    /// The finding, where it was first seen and how often.
    pub found: Found,
    pub standing: Standing,
    /// The smallest program found that shows it.
    pub program: Program,
    /// The file with that program, once it is written.
    pub file: Option<PathBuf>,
}

impl Case {
    pub fn is_new(&self) -> bool {
        self.standing == Standing::New
    }

    /// The quirk that accounts for it.
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

/// A case for each finding of an image by itself, in the same order, made on `jobs` workers.
///
/// # Errors
/// No worker can be started.
pub fn cases(setup: &Setup, found: &[Found], tries: Tries, jobs: usize) -> Result<Vec<Case>, Lost> {
    let tries = |f: &Found| if f.finding.quirk.is_some() { tries.known } else { Some(tries.new) };
    cases_of(setup, found, |f| Standing::alone(&f.finding), |_, f| tries(f), jobs)
}

/// The same with what each means given, and how many programs may be tried for it: None leaves its program as it is.
pub(super) fn cases_of(
    setup: &Setup,
    found: &[Found],
    standing: impl Fn(&Found) -> Standing + Sync,
    tries: impl Fn(usize, &Found) -> Option<u32> + Sync,
    jobs: usize,
) -> Result<Vec<Case>, Lost> {
    let case = |(at, f): (usize, &Found)| {
        let whole = Program::decode(&f.program);
        // Parts of a conflict that could not be put together are small already, and show nothing by themselves.
        let tries = tries(at, f).filter(|_| f.composed.as_ref().is_none_or(|c| c.whole));
        let program = match tries {
            Some(tries) => minimize(setup, &whole, &Like::of(&f.finding), tries)?.0,
            None => whole,
        };
        Ok(Case { found: f.clone(), standing: standing(f), program, file: None })
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).build().map_err(std::io::Error::other)?;
    pool.install(|| found.par_iter().enumerate().map(case).collect())
}
