// SPDX-License-Identifier: GPL-2.0-only
//! What the programs of a check reached of the lines that a patch changed.

use super::check::Verdict;
use crate::image::Coverage;
use percuss_oracle::OracleKind;

impl Verdict<'_> {
    /// None when nothing was changed, or the image does not count.
    pub fn coverage(&self) -> Option<Coverage> {
        let batches = [&self.corpus, &self.generated];
        let mut reached = self.corpus.reached.clone();
        reached.merge(&self.generated.reached);
        let found = batches.iter().flat_map(|b| &b.found);
        let lost = found.filter(|f| f.finding.oracle == OracleKind::Crash).map(|f| f.count).sum();
        self.image.coverage(&reached, batches.iter().map(|b| b.programs).sum(), lost)
    }
}
