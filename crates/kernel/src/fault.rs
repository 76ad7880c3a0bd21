// SPDX-License-Identifier: GPL-2.0-only
//! Fault plans: which backing allocations fail.

use std::fmt;

use crate::event::Site;

/// Makes backing allocations at one site fail.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Fault {
    /// Where.
    pub site: Site,
    /// The first one to fail, 1-based, counted from boot (memblock: from power-on).
    pub nth: u32,
    /// How many in a row fail from there, at least 1; `u32::MAX` for all.
    pub times: u32,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault {} nth={}", self.site.name(), self.nth)?;
        match self.times {
            1 => Ok(()),
            u32::MAX => f.write_str(" times=all"),
            n => write!(f, " times={n}"),
        }
    }
}
