// SPDX-License-Identifier: GPL-2.0-only
//! Oracles: who says that something is wrong, and by which rule.

pub mod bits;
pub mod finding;
pub mod hints;
pub mod invariants;
pub mod ledger;
pub mod lockorder;
pub mod lockstep;
pub mod signs;

pub use finding::{Finding, Oracle};
