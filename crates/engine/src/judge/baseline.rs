// SPDX-License-Identifier: GPL-2.0-only
//! The image before a change, beside the changed one: what both show, the change did not cause.
//!
//! The Model judges a change only as far as it follows it. Where it does not, the rules judge that need no Model, and
//! what the image before the change breaks in the same program is no fault of the change.

use std::cell::RefCell;

use super::examine::{Examiner, Judged, once_each};
use super::watch::Asking;
use percuss_oracle::hints::SeenBelow;
use percuss_oracle::room::SeenRoom;
use percuss_oracle::{Bench, Finding};
use percuss_program::Program;
use percuss_run::TurnEnd;
use percuss_run::strategy::Aligned;
use percuss_world::sample::Contents;

impl Examiner {
    /// As the image before the change: marks what it shows in this program, too. `trail` is where turns ended on the
    /// changed image: its scheduling points may be others.
    ///
    /// What is left is compared by the campaign, over all programs: where areas lie, and which locks meet, may be moved
    /// from one program to another.
    ///
    /// # Errors
    /// See [`Examiner::examine`].
    pub(super) fn mark_shown(
        &mut self,
        program: &Program,
        trail: &[TurnEnd],
        judged: &mut Judged,
    ) -> std::io::Result<()> {
        if !judged.findings.iter().any(Finding::is_new) {
            return Ok(());
        }
        let before = if program.preemptions() > 0 {
            self.examine_under(program, &mut Aligned::new(trail))?.0
        } else {
            self.examine(program)?
        };
        for f in judged.findings.iter_mut().filter(|f| f.is_new()) {
            // By title: the op is another one where areas lie elsewhere.
            if let Some(same) = before.findings.iter().find(|b| (b.oracle, &b.title) == (f.oracle, &f.title)) {
                f.before = true;
                f.quirk = same.quirk;
            }
        }
        Ok(())
    }

    /// Asks the rules about hints and room of the image itself, in one more run of the program: for one that the Model
    /// does not follow, so that its state says nothing of the image's.
    ///
    /// # Errors
    /// See [`Examiner::examine`].
    pub(super) fn rules(&mut self, program: &Program) -> std::io::Result<Vec<Finding>> {
        let bench = RefCell::new(Bench::of_model());
        let mut asking = Asking::start(&bench, program, self.objcg_objects());
        // A look at a release takes what was touched, which these rules look for after the op.
        self.image().shared().tenant.watch_releases(None);
        self.image().shared().contents.set(Contents::Ignored);
        let ended = self.image().run(program, &mut asking);
        self.watch_releases();
        ended?;
        let bench = bench.into_inner();
        let room = bench.each.room.seen.iter().map(SeenRoom::finding);
        let mut found: Vec<Finding> = room.chain(bench.each.hints.seen.iter().map(SeenBelow::finding)).collect();
        once_each(&mut found);
        Ok(found)
    }
}
