// SPDX-License-Identifier: GPL-2.0-only
//! Which of the quirks that only choose masks made a difference in a run.

use percuss_kernel::Quirk;

/// Whether B04 and B05 made a difference in a run. When one made none, a run without it would have been the same event for
/// event, and need not be made to learn what it explains.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Felt {
    pub b04: bool,
    pub b05: bool,
}

impl Felt {
    /// Whether the quirk certainly made no difference. False for quirks that are not watched: they may have made one.
    pub fn idle(&self, quirk: Quirk) -> bool {
        match quirk {
            Quirk::B04 => !self.b04,
            Quirk::B05 => !self.b05,
            _ => false,
        }
    }
}
