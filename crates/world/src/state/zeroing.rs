// SPDX-License-Identifier: GPL-2.0-only
//! A zeroing of an area, which the allocator does CPU by CPU and the log has as one event.

use super::sample::Sample;
use percuss_kernel::Addr;
use percuss_kernel::event::Event;

/// A zeroing that may go on to the next CPU.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Zeroing {
    pub addr: Addr,
    pub len: u32,
    /// Calls that did not go to the CPU that was expected next.
    pub other: u32,
    /// CPUs whose copy was cleared, as a mask.
    pub cpus: u64,
    pub rank: u32,
    /// The parts of the area that have to be cleared.
    pub sample: Sample,
}

impl Zeroing {
    pub fn event(self) -> Event {
        Event::Zero { addr: self.addr, len: self.len, other: self.other, cpus: self.cpus }
    }
}
