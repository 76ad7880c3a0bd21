// SPDX-License-Identifier: GPL-2.0-only
//! What was there before a change: findings of a campaign against all that the image before the change does.
//!
//! A worker compares program by program. That is not enough where it takes several programs, or many: the order of
//! locks, and findings that move from one program to another because areas lie elsewhere.

use super::options::Options;
use super::{CORPUS_INDEX, Extent, Progress, corpus_programs, generated, listed};
use crate::judge::{Batch, Found, probe_program};
use crate::worker::{Lost, Setup};
use percuss_lockdep::{Graph, Part};
use percuss_oracle::OracleKind;
use percuss_program::Program;

/// Programs by which chance alone may tell two images apart that show the same kind of finding.
const CHANCE: u64 = 8;

/// The same campaign on the image before the change.
#[derive(Debug)]
pub(super) struct Before {
    order: Graph,
    /// Findings of all programs.
    found: Vec<Found>,
}

impl Before {
    /// Runs the programs that the changed image ran; None where there is no image before the change.
    ///
    /// It costs as much as the campaign itself, so it is for changes that show something new: most do not.
    ///
    /// # Errors
    /// No worker can be started.
    pub fn run(setup: &Setup, options: &Options, programs: u64) -> Result<Option<Before>, Lost> {
        let Some(base) = &setup.base else { return Ok(None) };
        let setup = Setup { image: base.image.clone(), quirks: base.quirks, base: None, ..setup.clone() };
        // What a quirk does in rare moments only, its own program shows.
        let probes = base.quirks.iter().map(probe_program);
        let texts: Vec<Program> = corpus_programs().into_iter().chain(probes).collect();
        let mut all = listed(&setup, CORPUS_INDEX, &texts)?;
        // A bar of its own would start again at 0.
        let unseen = Progress::default();
        all.merge(generated(&setup, Extent::Programs(programs), options.jobs, &unseen)?);
        Ok(Some(Before { order: all.order, found: all.found }))
    }

    /// The parts of a finding about the order of locks that were not there; None when the graph says nothing of it.
    pub fn gained(&self, title: &str, after: &Graph) -> Option<Vec<Part>> {
        after.gained(&self.order, title)
    }

    /// Whether the change only moved a kind of finding from some programs to others.
    pub fn has_moved(&self, found: &Found, after: &[&Batch]) -> bool {
        let same = |f: &&Found| (f.finding.oracle, &f.finding.title) == (found.finding.oracle, &found.finding.title);
        let count = |all: &mut dyn Iterator<Item = &Found>| all.filter(same).map(|f| f.count).sum::<u64>();
        let was = count(&mut self.found.iter());
        let is = count(&mut after.iter().flat_map(|batch| &batch.found));
        // Half as many more is what moving areas about does to fragmentation.
        was > 0 && is <= was + was / 2 + CHANCE
    }
}

/// Whether a finding is about an order of locks that has to be compared with that of the image before.
pub(super) fn is_order(found: &Found) -> bool {
    found.finding.oracle == OracleKind::LockOrder && found.finding.is_new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use percuss_oracle::Finding;

    fn batch(found: &[(OracleKind, &str, u64)]) -> Batch {
        let found = found.iter().map(|(oracle, title, count)| {
            let finding = Finding::new(*oracle, 0, *title, "");
            Found { finding, index: 0, count: *count, program: Vec::new(), composed: None }
        });
        Batch { found: found.collect(), ..Batch::default() }
    }

    /// Whether `t` has moved when so many programs of the corpus and generated ones show it, after these showed it
    /// before.
    fn has_moved(before: &[(OracleKind, &str, u64)], [corpus, generated]: [u64; 2]) -> bool {
        let before = Before { order: Graph::default(), found: batch(before).found };
        let after = [corpus, generated].map(|count| batch(&[(OracleKind::Room, "t", count)]));
        before.has_moved(&after[1].found[0], &after.each_ref())
    }

    #[test]
    fn a_kind_has_moved_while_about_as_many_programs_show_it() {
        for (was, is, wanted) in [
            (100, [0, 100], true),
            // Fewer than before is no fault of the change.
            (100, [0, 1], true),
            (100, [0, 158], true),
            (100, [0, 159], false),
            // Programs of the corpus count like generated ones.
            (100, [1, 158], false),
            // A kind that is rare on both sides may be on either by chance.
            (1, [0, 9], true),
            (1, [0, 10], false),
        ] {
            assert_eq!(has_moved(&[(OracleKind::Room, "t", was)], is), wanted, "{was} {is:?}");
        }
    }

    #[test]
    fn what_was_never_there_has_not_moved() {
        assert!(!has_moved(&[], [0, 1]), "not even once");
        assert!(!has_moved(&[(OracleKind::Room, "another", 100)], [0, 1]));
        assert!(!has_moved(&[(OracleKind::Hints, "t", 100)], [0, 1]), "the same title of another oracle");
        // A kind that a quirk accounts for in some programs is two findings with one title.
        assert!(has_moved(&[(OracleKind::Room, "t", 60), (OracleKind::Room, "t", 60)], [0, 188]));
    }
}
