// SPDX-License-Identifier: GPL-2.0-only
//! Shrinkers of a program: callbacks that reclaim runs, as `do_shrink_slab()` does in the kernel.

use std::fmt;

use crate::Op;

/// A shrinker: ops that run in the context of the task that reclaims, or of kswapd.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Shrinker {
    /// It does nothing in reclaim without `__GFP_FS`, as shrinkers of file systems must: the reclaiming task may hold
    /// their locks.
    pub gated: bool,
    /// How many times it has an object to free in a run.
    ///
    /// Each call frees one, and with it one page.
    pub objects: u8,
    /// Ops of each call.
    pub ops: Vec<Op>,
}

pub(super) const KINDS: [(bool, &str); 2] = [(true, "gated"), (false, "always")];

impl fmt::Display for Shrinker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.gated { "gated" } else { "always" };
        write!(f, "shrinker {kind} objects={}", self.objects)
    }
}
