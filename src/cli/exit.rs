// SPDX-License-Identifier: GPL-2.0-only
//! Exit codes. Scripts and `git bisect run` depend on them, so a number never gets another meaning. For a bisection, 0
//! is good, 1 is bad, and 125 is skipped.

pub const EXIT_CLEAN: u8 = 0;
pub const EXIT_FINDINGS: u8 = 1;
pub const EXIT_ERROR: u8 = 2;
/// The tree does not build: `git bisect run` skips it.
pub const EXIT_NO_BUILD: u8 = 125;
