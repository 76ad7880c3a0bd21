// SPDX-License-Identifier: GPL-2.0-only
//! Shrinkers: what reclaim runs.

use std::fmt;

use crate::Op;

/// A shrinker: ops that reclaim runs in the context of whoever reclaims.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Shrinker {
    /// It does nothing without `__GFP_FS`, as shrinkers of file systems must.
    pub gated: bool,
    /// How often it has something to free: one page each time.
    pub objects: u8,
    /// What it does each time.
    pub ops: Vec<Op>,
}

/// Names of the two kinds of shrinkers in text programs.
pub(super) const KINDS: [(bool, &str); 2] = [(true, "gated"), (false, "always")];

impl fmt::Display for Shrinker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.gated { "gated" } else { "always" };
        write!(f, "shrinker {kind} objects={}", self.objects)
    }
}
