// SPDX-License-Identifier: GPL-2.0-only
//! How a lock class is used with regard to interrupts: {used in, enabled} x {hardirq, softirq} x {write, read}.
//!
//! *Used in* an interrupt means that a handler takes the lock; *enabled* means that it is held while that interrupt is
//! enabled. A class with both can deadlock: the handler may interrupt the holder and wait for it.
//!
//! A usage is a bit number: bit 0 is read, bit 1 is "enabled" (else "used in"), bit 2 is softirq (else hardirq). The
//! kernel has the same bits in the same order (`enum lock_usage_bit`).

/// A set of usages of one class: bit `n` is set for usage `n`.
pub(super) type Usages = u16;

// Each mask repeats a pattern of four bits, once for hard and once for soft interrupts.
pub(super) const USED_IN: Usages = 0x33;
pub(super) const ENABLED: Usages = 0xcc;
pub(super) const WRITE: Usages = 0x55;

/// One usage, by the bit number that the module describes.
///
/// The lowest is the first in every list, so hard interrupts and writers are reported before the others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize)]
pub struct Usage(pub(super) u8);

impl Usage {
    #[inline]
    pub(super) fn bit(self) -> Usages {
        1 << self.0
    }

    pub(super) fn read(self) -> bool {
        self.0 & 1 != 0
    }

    pub(super) fn enabled(self) -> bool {
        self.0 & 2 != 0
    }

    pub(super) fn soft(self) -> bool {
        self.0 & 4 != 0
    }

    /// The usages that conflict with this one when the two locks differ: same interrupt, other direction, writers and
    /// readers.
    pub(super) fn opposite(self) -> Usages {
        // Two bits, write and read, of the other direction.
        3 << ((self.0 ^ 2) & !1)
    }

    /// The usages that conflict with this one on the same class, where two readers do not block each other.
    ///
    pub(super) fn conflicts(self) -> Usages {
        if self.read() { self.opposite() & WRITE } else { self.opposite() }
    }

    /// The interrupt as in headlines: `HARDIRQ`, `SOFTIRQ-READ` and so on (`state_name()`).
    pub fn irq_name(self) -> String {
        let irq = if self.soft() { "SOFTIRQ" } else { "HARDIRQ" };
        format!("{irq}{}", if self.read() { "-READ" } else { "" })
    }

    /// The usage as in reports: `IN-HARDIRQ-W`, `SOFTIRQ-ON-R` and so on.
    pub fn name(self) -> String {
        let irq = if self.soft() { "SOFTIRQ" } else { "HARDIRQ" };
        let rw = if self.read() { "R" } else { "W" };
        if self.enabled() { format!("{irq}-ON-{rw}") } else { format!("IN-{irq}-{rw}") }
    }
}

/// The lowest usage of a set, which must not be empty: 16 is no usage.
pub(super) fn first(set: Usages) -> Usage {
    Usage(set.trailing_zeros() as u8)
}

pub(super) fn each(set: Usages) -> impl Iterator<Item = Usage> {
    (0..Usages::BITS as u8).map(Usage).filter(move |u| set & u.bit() != 0)
}

pub(super) fn of_irq(soft: bool) -> Usages {
    if soft { 0xf0 } else { 0x0f }
}

/// The four characters after a class in reports: hardirq write and read, softirq write and read (`get_usage_chars()`).
///
/// `-` is used in the interrupt, `+` held with it enabled, `?` both, and `.` neither.
pub(super) fn chars(set: Usages) -> String {
    [0, 1, 4, 5]
        .into_iter()
        .map(|used_in| match (set >> (used_in + 2) & 1 != 0, set >> used_in & 1 != 0) {
            (true, true) => '?',
            (true, false) => '+',
            (false, true) => '-',
            (false, false) => '.',
        })
        .collect()
}
