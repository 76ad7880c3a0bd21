// SPDX-License-Identifier: GPL-2.0-only
//! Findings: what an oracle objects to.

use percuss_kernel::Quirk;
use serde::{Deserialize, Serialize};

/// Who objects, and by which kind of rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Oracle {
    /// The event streams of two tenants differ.
    Lockstep,
    /// Something allocated was not given back, or given back twice.
    Ledger,
    /// The allocator's state breaks a rule of its own.
    Invariants,
    /// Per-CPU memory, a pointer or an answer is wrong.
    Content,
    /// Sleeping, locks or interrupts in a context that forbids it.
    Context,
    /// Page tables and cached translations.
    Mapping,
    /// A hint is below the truth.
    Hints,
    /// A request fails, or makes a chunk, although there is room.
    Room,
    /// BUG, WARN, panic, fault, endless loop or recursion.
    Crash,
    /// The order in which locks are taken, and what reclaim may wait for.
    LockOrder,
    /// Somebody waits for memory that waits for him.
    Stall,
}

impl Oracle {
    /// All oracles with their names.
    pub const ALL: [(Oracle, &'static str); 11] = [
        (Oracle::Lockstep, "lockstep"),
        (Oracle::Ledger, "ledger"),
        (Oracle::Invariants, "invariants"),
        (Oracle::Content, "content"),
        (Oracle::Context, "context"),
        (Oracle::Mapping, "mapping"),
        (Oracle::Hints, "hints"),
        (Oracle::Room, "room"),
        (Oracle::Crash, "crash"),
        (Oracle::LockOrder, "lockorder"),
        (Oracle::Stall, "stall"),
    ];

    /// The name in reports and JSON.
    pub fn name(self) -> &'static str {
        Oracle::ALL[self as usize].1
    }
}

/// One objection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable headline: the same defect gives the same title.
    pub title: String,
    /// Who objects.
    pub oracle: Oracle,
    /// Number of the op during which it showed (task in the upper byte), `u32::MAX` for the drain.
    pub op: u32,
    /// What the rule compared, for the report.
    pub detail: String,
    /// The quirk that accounts for it: makes it a known finding.
    pub quirk: Option<Quirk>,
}

impl Finding {
    /// A finding nobody has accounted for yet.
    pub fn new(oracle: Oracle, op: u32, title: impl Into<String>, detail: impl Into<String>) -> Finding {
        Finding { title: title.into(), oracle, op, detail: detail.into(), quirk: None }
    }

    /// What makes two findings the same one: findings of one campaign are merged by it.
    pub fn key(&self) -> (Oracle, &str, Option<Quirk>) {
        (self.oracle, &self.title, self.quirk)
    }
}
