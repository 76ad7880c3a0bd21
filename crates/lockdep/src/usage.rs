// SPDX-License-Identifier: GPL-2.0-only
//! Usage of a lock class with regard to interrupts: {used in, enabled} x {hardirq, softirq} x {write, read}.
//!
//! A usage is a bit number: bit 0 is read, bit 1 is "enabled" (else "used in"), bit 2 is softirq (else hardirq).

/// A set of usages of one class.
pub(super) type Usages = u16;

/// Taken in an interrupt.
pub(super) const USED_IN: Usages = 0x33;
/// Held with interrupts on.
pub(super) const ENABLED: Usages = 0xcc;
/// All by writers.
pub(super) const WRITE: Usages = 0x55;

/// One usage.
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

    /// The usages that conflict with this one: same interrupt, other direction, by writers and readers.
    pub(super) fn opposite(self) -> Usages {
        3 << ((self.0 ^ 2) & !1)
    }

    /// Those of them that conflict on one and the same lock: two readers do not.
    pub(super) fn conflicts(self) -> Usages {
        if self.read() { self.opposite() & WRITE } else { self.opposite() }
    }

    /// `HARDIRQ`, `SOFTIRQ-READ` and so on: `state_name()`.
    pub fn irq_name(self) -> String {
        let irq = if self.soft() { "SOFTIRQ" } else { "HARDIRQ" };
        format!("{irq}{}", if self.read() { "-READ" } else { "" })
    }

    /// `IN-HARDIRQ-W`, `SOFTIRQ-ON-R` and so on.
    pub fn name(self) -> String {
        let irq = if self.soft() { "SOFTIRQ" } else { "HARDIRQ" };
        let rw = if self.read() { "R" } else { "W" };
        if self.enabled() { format!("{irq}-ON-{rw}") } else { format!("IN-{irq}-{rw}") }
    }
}

/// The lowest usage of a set.
pub(super) fn first(set: Usages) -> Usage {
    Usage(set.trailing_zeros() as u8)
}

/// All usages of a set, lowest first.
pub(super) fn each(set: Usages) -> impl Iterator<Item = Usage> {
    (0..Usages::BITS as u8).map(Usage).filter(move |u| set & u.bit() != 0)
}

/// All usages of one of the two interrupts.
pub(super) fn of_irq(soft: bool) -> Usages {
    if soft { 0xf0 } else { 0x0f }
}

/// `get_usage_chars()`: hardirq write and read, softirq write and read.
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
