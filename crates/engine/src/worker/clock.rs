// SPDX-License-Identifier: GPL-2.0-only
//! Limits of CPU time. A program that does not end uses it up; on a busy machine one that does end takes longer, but uses
//! no more of it.

use std::io;
use std::time::Duration;

use nix::sys::signal::{SigEvent, SigevNotify, Signal};
use nix::sys::time::TimeSpec;
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use nix::time::ClockId;
use percuss_program::Program;

/// The signal that ends a worker whose program used up its CPU time. No crash raises it, so that
/// [`super::Ended`] can tell a program that does not end from one that crashes.
pub const OVERTIME: Signal = Signal::SIGPROF;

/// The CPU time that a program may use: a multiple of what any program needs, and the same on every machine, so that the
/// same programs count as hung everywhere.
pub fn cpu_limit(program: &Program) -> Duration {
    Duration::from_millis(1000 + program.nr_ops() as u64)
}

/// Ends this process with [`OVERTIME`] when it uses more CPU time than it may. Dropping it lifts the limit.
pub struct Clock(Timer);

impl Clock {
    /// No limit yet.
    ///
    /// # Errors
    /// The system has no timer.
    pub fn new() -> nix::Result<Clock> {
        let signal = SigevNotify::SigevSignal { signal: OVERTIME, si_value: 0 };
        Timer::new(ClockId::CLOCK_PROCESS_CPUTIME_ID, SigEvent::new(signal)).map(Clock)
    }

    /// Allows this much from now on; what was left of an earlier limit does not count.
    ///
    /// # Errors
    /// The system refuses.
    pub fn allow(&mut self, limit: Duration) -> io::Result<()> {
        let limit = Expiration::OneShot(TimeSpec::from(limit));
        self.0.set(limit, TimerSetTimeFlags::empty()).map_err(io::Error::from)
    }
}
