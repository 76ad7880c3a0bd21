// SPDX-License-Identifier: GPL-2.0-only
//! What was there before a change: findings of a campaign against all that the image before the change does.
//!
//! A worker compares program by program. That is not enough where it takes several programs, or many: the order of
//! locks, and findings that move from one program to another because areas lie elsewhere.

use super::{CORPUS_INDEX, Extent, Progress, corpus_programs, generated, listed};
use crate::judge::{Found, JudgeBy, Oracles, Shift, is_counted};
use crate::worker::{Before, Lost, Setup};
use percuss_lockdep::{Graph, Part};
use percuss_oracle::OracleKind;

/// A kind counts as moved while the changed image shows it in at most this many times the programs that the image
/// before showed it in, of those in which only one of them does.
const MOVED: u64 = 2;

/// Programs by which chance alone may tell the two images apart.
const CHANCE: u64 = 8;

/// The order of locks of the image before the change, over the programs of a campaign.
///
/// # Errors
/// No worker can be started.
pub(super) fn order_before(setup: &Setup, base: &Before, extent: Extent, jobs: usize) -> Result<Graph, Lost> {
    let setup = Setup {
        image: base.image.clone(),
        quirks: base.quirks,
        base: None,
        // The order is in the events; only what looks at more costs time.
        oracles: Oracles::NONE,
        judge: JudgeBy::Lockstep,
        ..setup.clone()
    };
    let mut order = listed(&setup, CORPUS_INDEX, &corpus_programs())?.order;
    order.merge(generated(&setup, extent, jobs, &Progress::default())?.order);
    Ok(order)
}

/// Whether a finding is about an order of locks that has to be compared with that of the image before.
pub(super) fn is_order(found: &Found) -> bool {
    found.finding.oracle == OracleKind::LockOrder && found.finding.is_new()
}

/// The parts of a finding about the order of locks that the image before has not; None when the graph says nothing of
/// it.
pub(super) fn gained(found: &Found, order: &Graph, before: &Graph) -> Option<Vec<Part>> {
    order.gained(before, &found.finding.title)
}

/// Whether a finding only moved from one program to another; `shifts` counts both images' programs.
pub(super) fn moved(found: &Found, shifts: &[Shift]) -> bool {
    is_counted(found.finding.oracle)
        && shifts.iter().filter(|s| s.is(&found.finding)).any(|s| s.only[1] <= s.only[0] * MOVED + CHANCE)
}
