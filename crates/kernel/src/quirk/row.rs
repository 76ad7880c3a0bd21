// SPDX-License-Identifier: GPL-2.0-only
//! What a row of the table of quirks says.

use std::fmt;

/// What a quirk changes in a run. It decides when its probe program runs and when the quirk is switched off to explain
/// a finding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Effect {
    Hints,
    Masks,
    /// Which locks are held while backing memory is allocated. It explains stalls by rule: the Model without such a
    /// quirk is no allocator that one could ship, so it is never run to explain a finding.
    Waiting,
    /// When balance work is queued and how warnings are counted. Which memory an allocation gets does not depend on it.
    Bookkeeping,
    Outcome,
}

impl Effect {
    /// Quirks of such an effect are switched off before others to explain a finding. Without another quirk a chunk may
    /// not be made at all, and then its backing allocations are not there to be seen either.
    pub fn explains_first(self) -> bool {
        matches!(self, Effect::Masks | Effect::Bookkeeping)
    }

    /// Place in the order of probes. Every program allocates, so hints come first; programs that make chunks show the
    /// masks of backing allocations, so these come before what is left.
    pub(super) fn probe_stage(self) -> u8 {
        match self {
            Effect::Hints => 0,
            Effect::Masks | Effect::Waiting => 1,
            Effect::Bookkeeping | Effect::Outcome => 2,
        }
    }
}

/// The change that ends a quirk. Shown as `COMMIT ("TITLE")`, or as the title alone while it has no commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fix {
    pub title: &'static str,
    pub commit: Option<&'static str>,
}

impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.commit {
            Some(commit) => write!(f, "{commit} (\"{}\")", self.title),
            None => f.write_str(self.title),
        }
    }
}

/// A row of the table, without the variant it belongs to.
///
/// `v6_12` and `v6_1` say whether the two vendored trees have the quirk.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    pub(super) effect: Effect,
    pub(super) v6_12: bool,
    pub(super) v6_1: bool,
    pub(super) fix: Option<Fix>,
    pub(super) story: &'static str,
}
