// SPDX-License-Identifier: GPL-2.0-only
//! Troubles: what is wrong with an order of locks, without the program that showed it.
//!
//! A report shows one event of one program; a trouble is what remains when both are taken away. Campaigns use it to
//! distinguish a conflict over programs from one that a single program shows.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::report::{Detail, Report};

/// Name of a class; borrowed from the table of classes unless it was read from a file.
pub type Name = Cow<'static, str>;

/// What is wrong, independent of the program and the order of events that showed it.
///
/// Equal troubles are one defect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Trouble {
    /// A cycle: each class is taken with the one before it held, and the first with the last.
    ///
    /// The smallest name comes first.
    Cycle(Vec<Name>),
    /// With the first class held, which an interrupt takes, the others are taken one after the other, and the last is
    /// held elsewhere with that interrupt enabled.
    IrqOrder { soft: bool, path: Vec<Name> },
    /// An interrupt takes the class, which is also held with that interrupt enabled.
    ///
    /// Readers and writers are not distinguished: each pair that conflicts is the same mistake.
    State { soft: bool, class: Name },
}

impl Trouble {
    /// The trouble that a report is about; None for rules that one program always breaks alone.
    ///
    /// Those are rules about one context, such as a mutex under a spinlock: no second program can add a part.
    pub(super) fn of(report: &Report) -> Option<Trouble> {
        let names = || report.chain().into_iter().map(Name::Borrowed).collect();
        match report.detail {
            Detail::Circular { .. } => Some(Trouble::Cycle(names())),
            // Two kinds of report, one trouble: they differ only in what happened last.
            Detail::IrqOrder { safe, .. } => Some(Trouble::IrqOrder { soft: safe.1.soft(), path: names() }),
            Detail::IrqInversion { other, .. } => Some(Trouble::IrqOrder { soft: other.1.soft(), path: names() }),
            Detail::Inconsistent { lock, old, .. } => {
                Some(Trouble::State { soft: old.soft(), class: Name::Borrowed(report.name(lock.class)) })
            }
            _ => None,
        }
    }
}
