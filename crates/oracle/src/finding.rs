// SPDX-License-Identifier: GPL-2.0-only
//! Findings: what an oracle objects to.

use percuss_kernel::Quirk;
use serde::{Deserialize, Serialize};

use crate::OracleKind;

/// One objection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable headline: the same defect gives the same title.
    pub title: String,
    /// Who objects.
    pub oracle: OracleKind,
    /// Number of the op during which it showed (task in the upper byte), `u32::MAX` for the drain.
    pub op: u32,
    /// What the rule compared, for the report.
    pub detail: String,
    /// The quirk that accounts for it: makes it a known finding.
    pub quirk: Option<Quirk>,
}

impl Finding {
    /// A finding nobody has accounted for yet.
    pub fn new(oracle: OracleKind, op: u32, title: impl Into<String>, detail: impl Into<String>) -> Finding {
        Finding { title: title.into(), oracle, op, detail: detail.into(), quirk: None }
    }

    /// What makes two findings the same one: findings of one campaign are merged by it.
    pub fn key(&self) -> (OracleKind, &str, Option<Quirk>) {
        (self.oracle, &self.title, self.quirk)
    }
}
