// SPDX-License-Identifier: GPL-2.0-only
//! Dependencies that hold in every kernel, whether or not a program shows them.
//!
//! Real reclaim calls file systems and block drivers; the simulated one does not. Without these dependencies an
//! allocation that may reclaim under a file system's lock would look harmless until some shrinker of the program took
//! that lock. The kernel primes lockdep in the same way where subsystems annotate their locks at boot.

use super::class::Class;
use super::matrix::{Dep, Read};

/// First class, second class, how the second is taken, and why the dependency holds, as reports print it.
///
/// There are three since reclaim reaches three locks that it does not take in the simulation: of file systems, of block
/// drivers and of queues. A declared dependency that is wrong would make every report through it wrong.
pub(super) const DECLARED: [(Class, Class, Read, &str); 3] = [
    (Class::FS_RECLAIM, Class::FS, Read::Exclusive, "a file system's reclaim takes its own lock"),
    (Class::IO_RECLAIM, Class::IO, Read::Exclusive, "IO for reclaim takes the driver's lock"),
    (Class::IO_RECLAIM, Class::FREEZE, Read::Shared, "IO for reclaim enters the queue"),
];

/// The kind of a declared dependency on a lock that is taken like `second`.
///
/// The first lock is a map of reclaim, which reclaim holds exclusively.
pub(super) fn dep(second: Read) -> Dep {
    Dep::new(Read::Exclusive, second)
}

pub(super) fn why(from: Class, to: Class) -> &'static str {
    DECLARED.iter().find(|d| (d.0, d.1) == (from, to)).map_or("declared", |d| d.3)
}
