// SPDX-License-Identifier: GPL-2.0-only
//! Whether the Model or the rules alone judge a change.

use serde::{Deserialize, Serialize};

/// What a divergence from the Model means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JudgeBy {
    /// Of a tree: it is a finding. Of a change: where the image before the change agrees with the Model, the change does
    /// something else, and the rules say whether that is wrong.
    #[default]
    Auto,
    /// It is a finding.
    Lockstep,
    /// The rules alone say what is wrong. The Model still accounts for known findings where it follows the image.
    Rules,
}
