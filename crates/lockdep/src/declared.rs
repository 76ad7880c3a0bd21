// SPDX-License-Identifier: GPL-2.0-only
//! Dependencies that hold in every kernel whether or not a program shows them: what the kernel primes with annotations
//! at boot, and what IO for reclaim needs.

use super::class::Class;
use super::matrix::{Dep, Read};

/// From, to, how the second is taken, and why it holds.
pub(super) const DECLARED: [(Class, Class, Read, &str); 3] = [
    (Class::FS_RECLAIM, Class::FS, Read::Exclusive, "a file system's reclaim takes its own lock"),
    (Class::IO_RECLAIM, Class::IO, Read::Exclusive, "IO for reclaim takes the driver's lock"),
    (Class::IO_RECLAIM, Class::FREEZE, Read::Shared, "IO for reclaim enters the queue"),
];

/// The kind of a declared dependency: what comes first is a map of reclaim, held exclusively.
pub(super) fn dep(second: Read) -> Dep {
    Dep::new(Read::Exclusive, second)
}

/// Why a dependency holds that no program made.
pub(super) fn why(from: Class, to: Class) -> &'static str {
    DECLARED.iter().find(|d| (d.0, d.1) == (from, to)).map_or("declared", |d| d.3)
}
