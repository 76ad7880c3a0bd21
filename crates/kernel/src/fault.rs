// SPDX-License-Identifier: GPL-2.0-only
//! Fault plans: which backing allocations of the tree fail.
//!
//! They reach the error paths of the allocator, most of which a kernel in use hardly ever runs.

use std::fmt;

use crate::event::Site;

/// Makes backing allocations at one site fail.
///
/// Counting from boot makes a fault hit the same allocation in every run, unlike `fail_page_alloc` with a probability.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Fault {
    pub site: Site,
    /// Number of the first allocation that fails, from 1.
    ///
    /// Counted from boot, for memblock from power-on.
    pub nth: u32,
    /// How many fail in a row from there, at least 1; `u32::MAX` for all.
    pub times: u32,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault {} nth={}", self.site.name(), self.nth)?;
        // Once is the usual plan, so it is not printed; the parser takes it for granted too.
        match self.times {
            1 => Ok(()),
            u32::MAX => f.write_str(" times=all"),
            n => write!(f, " times={n}"),
        }
    }
}
