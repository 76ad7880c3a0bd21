// SPDX-License-Identifier: GPL-2.0-only
//! Making a program small where running a candidate can fail, and where its schedule matters.

use percuss_program::{Program, minimize};

/// Makes a program smaller while `keep` holds, trying at most `tries` candidates; returns the number tried as well.
///
/// # Errors
/// The first one of `keep`. Nothing runs after it.
pub fn reduce<E>(
    program: Program,
    tries: u32,
    mut keep: impl FnMut(&Program) -> Result<bool, E>,
) -> Result<(Program, u32), E> {
    let mut failure = None;
    let keep = |candidate: &Program| {
        // The search cannot be left from within, so its remaining candidates are refused without being run.
        if failure.is_some() {
            return false;
        }
        keep(candidate).unwrap_or_else(|e| {
            failure = Some(e);
            false
        })
    };
    let small = minimize(program, keep, tries);
    failure.map_or(Ok((small.program, small.tries)), Err)
}

/// What shows a finding, as [`with_whole_ops`] needs it.
pub trait Shrink {
    type Error;

    /// Rewrites the schedule of a program in whole-op turns; None if the finding disappears.
    ///
    /// # Errors
    /// The program cannot be run.
    fn by_op(&mut self, program: &Program) -> Result<Option<Program>, Self::Error>;

    /// Makes a program smaller while it shows the finding, see [`reduce`].
    ///
    /// # Errors
    /// A candidate cannot be run.
    fn reduce(&mut self, program: Program, tries: u32) -> Result<(Program, u32), Self::Error>;
}

/// Makes a program small, with a schedule of whole-op turns where that shows the finding too. A turn that is counted in
/// scheduling points across several ops says less than the ops do, means something else as soon as one of them goes, and
/// hides that the task could stop between two of them. So the schedule is rewritten at first and whenever the program is
/// small, for as long as that makes it smaller. Tries at most `tries` candidates and returns how many.
///
/// # Errors
/// A program cannot be run.
pub fn with_whole_ops<S: Shrink>(shrink: &mut S, program: Program, tries: u32) -> Result<(Program, u32), S::Error> {
    let size = |p: &Program| (p.preemptions(), p.nr_ops(), p.schedule.len());
    let mut next = shrink.by_op(&program)?.unwrap_or(program);
    let (mut best, mut tried): (Option<Program>, u32) = (None, 0);
    loop {
        let (small, more) = shrink.reduce(next, tries - tried)?;
        tried += more;
        // No smaller than the last round's: rewriting the schedule again would go round in a circle.
        if let Some(best) = best.take_if(|best| size(best) <= size(&small)) {
            return Ok((best, tried));
        }
        match shrink.by_op(&small)?.filter(|by_op| tried < tries && *by_op != small) {
            Some(by_op) => next = by_op,
            None => return Ok((small, tried)),
        }
        best = Some(small);
    }
}
