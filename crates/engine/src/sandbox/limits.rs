// SPDX-License-Identifier: GPL-2.0-only
//! Resource limits, which hold everywhere: they need no privilege and no new kernel, and stay when the rest is switched
//! off.
//!
//! They bound what a runaway compiler or worker takes from the machine. Each has room over what is normal, since a
//! limit that is hit by honest work fails a build with a message that no user understands.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Memory a worker may use, in bytes. RLIMIT_AS would not do, for worlds reserve far more address space than they
/// touch, so the parent process looks at what the worker has resident.
pub const MEMORY: u64 = 4 << 30;

/// Address space of a compiler or linker, in bytes: ten times what the largest unit takes.
const COMPILER_SPACE: u64 = 8 << 30;
/// CPU time of a compiler, in seconds: it takes two.
const COMPILER_CPU: u64 = 120;
/// Wall-clock time of a compiler, in seconds, after which SIGALRM ends it: waiting for a pipe uses no CPU time.
const COMPILER_TIME: u32 = 600;
/// Largest file a compiler may write, in bytes.
const COMPILER_FILE: u64 = 256 << 20;
/// Largest file a worker may write, in bytes: the copy of its image.
const WORKER_FILE: u64 = 64 << 20;
/// Files a worker may have open: its pipes, the image and what the loader opens.
const WORKER_FILES: u64 = 32;

/// The compiler's limits. The number of processes is none of them: RLIMIT_NPROC counts all of the user's, so a busy
/// desktop would fail builds.
pub(super) fn compiler() -> Result<(), String> {
    nix::unistd::alarm::set(COMPILER_TIME);
    all(&[
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_AS, COMPILER_SPACE),
        (Resource::RLIMIT_CPU, COMPILER_CPU),
        (Resource::RLIMIT_FSIZE, COMPILER_FILE),
    ])
}

/// A worker's limits. CPU time is none of them, since a worker runs programs for hours; the parent process limits each
/// program.
pub(super) fn worker() -> Result<(), String> {
    // No core file: it would be as large as all Worlds, and findings do not use it.
    let files = (Resource::RLIMIT_NOFILE, WORKER_FILES);
    all(&[(Resource::RLIMIT_CORE, 0), (Resource::RLIMIT_FSIZE, WORKER_FILE), files])
}

/// No file can be written from here on.
pub(super) fn no_writes() -> Result<(), String> {
    all(&[(Resource::RLIMIT_FSIZE, 0)])
}

fn all(limits: &[(Resource, u64)]) -> Result<(), String> {
    for (what, limit) in limits {
        // A limit above the hard one would be refused, so a lower one that the system has set stays.
        let hard = getrlimit(*what).map_or(u64::MAX, |(_, hard)| hard);
        let limit = (*limit).min(hard);
        setrlimit(*what, limit, limit).map_err(|error| format!("cannot limit {what:?}: {error}"))?;
    }
    Ok(())
}
