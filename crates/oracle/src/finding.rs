// SPDX-License-Identifier: GPL-2.0-only
//! Findings: what an oracle objects to.
//!
//! The title says what kind of defect it is and nothing of the program, so that thousands of programs with one defect
//! give one finding; the detail says what was seen in this one.

use std::fmt;

use percuss_kernel::Quirk;
use serde::{Deserialize, Serialize};

use crate::OracleKind;

/// One objection of one oracle to one run. It goes from the worker to the campaign, into state files and into reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable headline: the same defect gives the same title, on every program and in every campaign. It has no
    /// addresses and no counts in it.
    pub title: String,
    pub oracle: OracleKind,
    /// Number of the op during which it showed (task in the upper byte), `u32::MAX` for the drain.
    pub op: u32,
    pub detail: Detail,
    /// The quirk that accounts for it, which makes it a known finding; None for a new one.
    pub quirk: Option<Quirk>,
    /// The image before the change shows it in the same program, so the change did not cause it. False where there is
    /// no such image to ask.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub before: bool,
    /// Index of the event at which it showed, for looking up its place in the source; None where no event says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<u32>,
}

impl Finding {
    /// A finding that nothing accounts for yet. Oracles make only such: which quirk it comes from is found out later,
    /// by running the Model without each.
    pub fn new(oracle: OracleKind, op: u32, title: impl Into<String>, detail: impl Into<Detail>) -> Finding {
        Finding { title: title.into(), oracle, op, detail: detail.into(), quirk: None, before: false, event: None }
    }

    /// The same, seen at the event of this index.
    #[must_use]
    pub fn at(self, event: usize) -> Finding {
        Finding { event: u32::try_from(event).ok(), ..self }
    }

    /// What makes two findings the same one: findings of one campaign are merged by it. The quirk is in it, and whether
    /// it was there before a change, so that a known finding does not hide a new one with the same title.
    pub fn key(&self) -> (OracleKind, &str, Option<Quirk>, bool) {
        (self.oracle, &self.title, self.quirk, self.before)
    }

    /// Nothing accounts for it: no quirk, and not the image before the change.
    pub fn is_new(&self) -> bool {
        self.quirk.is_none() && !self.before
    }

    /// The finding with its detail as text. Files and JSON that other programs read have it in this form only.
    pub fn rendered(self) -> Finding {
        // Text stays as it is, so a finding may be rendered more than once.
        Finding { detail: Detail::Text(self.detail.to_string()), ..self }
    }
}

/// What a rule compared.
///
/// It is data so that a report can lay it out; [`Display`](fmt::Display) is its one form as text. A worker sends it as
/// it is. State files, and those written before it was data, have text, which reads back as [`Detail::Text`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Detail {
    /// A sentence, or the lines of a report in the kernel's shape.
    Text(String),
    Parting {
        event: usize,
        /// What the image did: the event in words, or that its stream ends. In a soak, what the free run did.
        left: String,
        /// What the Model did. In a soak, what the replay did.
        right: String,
    },
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Detail::Text(text) => f.write_str(text),
            Detail::Parting { event, left, right } => write!(f, "event {event}: {left} | {right}"),
        }
    }
}

impl From<String> for Detail {
    fn from(text: String) -> Detail {
        Detail::Text(text)
    }
}

impl From<&str> for Detail {
    fn from(text: &str) -> Detail {
        Detail::Text(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parting() -> Finding {
        let detail = Detail::Parting { event: 7, left: "WorkBegin".to_owned(), right: "end of stream".to_owned() };
        Finding::new(OracleKind::Lockstep, 3, "t", detail)
    }

    #[test]
    fn a_worker_sends_a_detail_as_it_is() {
        for finding in [parting(), parting().rendered()] {
            let line = serde_json::to_string(&finding).unwrap();
            assert_eq!(serde_json::from_str::<Finding>(&line).unwrap(), finding);
        }
    }

    /// The form of state files, older ones too.
    #[test]
    fn a_rendered_detail_is_a_string_in_json() {
        let json =
            r#"{"title":"t","oracle":"lockstep","op":3,"detail":"event 7: WorkBegin | end of stream","quirk":null}"#;
        assert_eq!(serde_json::to_string(&parting().rendered()).unwrap(), json);
        assert_eq!(serde_json::from_str::<Finding>(json).unwrap(), parting().rendered());
    }
}
