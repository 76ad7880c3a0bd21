// SPDX-License-Identifier: GPL-2.0-only
//! Making programs small while they show the same finding.

use super::one::one_on;
use crate::judge::Like;
use crate::worker::{ByOp, Client, Cut, Lost, Minimize, Setup, Shrink, reduce, with_whole_ops};
use percuss_lockdep::Part;
use percuss_oracle::OracleKind;
use percuss_program::Program;

/// CPU time of a candidate while a program that does not end is made small, in milliseconds. Good programs need a
/// fraction of it, and every candidate that does not end costs all of it.
const SHORT_MS: u64 = 250;

/// Programs tried, at most, to make small what ends workers: every one may cost a process.
const TRIES_APART: u32 = 1500;

/// The smallest program found that gives a finding like this one, and how many were tried: at most `tries`, so that
/// the result is always the same.
///
/// # Errors
/// No worker can be started.
pub fn minimize(setup: &Setup, program: &Program, like: &Like, tries: u32) -> Result<(Program, u32), Lost> {
    let mut client = Client::new(setup);
    // The kernel's own reports are of the crash oracle, too, but leave the worker alive.
    if like.oracle != OracleKind::Crash || like.title.starts_with("WARNING") || like.title.starts_with("kernel") {
        let call = Minimize { program: program.encode(), like: like.clone(), tries };
        // A program that ends the worker can be one of the candidates.
        if let Ok(small) = client.attempt(&call)? {
            return Ok((Program::decode(&small.program), small.tried));
        }
    }
    // A worker that is ended by a candidate cannot go on by itself, so percuss leads the search here.
    with_whole_ops(&mut Apart { client, like }, program.clone(), tries.min(TRIES_APART))
}

/// A finding whose programs may end the worker: candidates are examined one call at a time.
struct Apart<'a> {
    client: Client<'a>,
    like: &'a Like,
}

impl Shrink for Apart<'_> {
    type Error = Lost;

    fn by_op(&mut self, program: &Program) -> Result<Option<Program>, Lost> {
        let call = ByOp { program: program.encode(), like: self.like.clone() };
        // The turns of a program that ends its worker are lost with it.
        Ok(self.client.attempt(&call)?.ok().map(|by_op| Program::decode(&by_op)))
    }

    fn reduce(&mut self, program: Program, tries: u32) -> Result<(Program, u32), Lost> {
        reduce(program, tries, |candidate| {
            // A candidate that ends the worker is a batch with one finding, which is what the search compares.
            let batch = one_on(&mut self.client, candidate, Some(SHORT_MS))?;
            Ok(batch.found.iter().any(|f| self.like.matches(&f.finding)))
        })
    }
}

/// The smallest program found that still does its part of a conflict of locks; the program itself when it ends the worker.
pub(super) fn cut(client: &mut Client<'_>, program: &Program, part: &Part, tries: u32) -> Result<Program, Lost> {
    let small = client.attempt(&Cut { program: program.encode(), part: part.clone(), tries })?;
    Ok(small.map_or_else(|_| program.clone(), |small| Program::decode(&small.program)))
}
