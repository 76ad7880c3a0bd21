// SPDX-License-Identifier: GPL-2.0-only
//! One change of an edit: where it is and what it does there.

use serde::Deserialize;

/// One change in one function.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The file, relative to the tree.
    pub file: String,
    /// The function, or the names it has in different trees: the first that is defined counts.
    function: Names,
    /// Where the anchor is.
    #[serde(default)]
    pub part: Part,
    /// Kernel text, or a base's, one statement at most; whitespace and comments do not matter.
    pub anchor: String,
    /// Which match is meant, counted from 1, when the anchor is there more than once.
    #[serde(default)]
    pub nth: Option<usize>,
    /// What to do there.
    pub action: Action,
    /// Our own code; none for `delete`.
    #[serde(default)]
    pub text: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Several(Vec<String>),
}

/// Part of a function's definition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Between the braces.
    #[default]
    Body,
    /// Between the parentheses behind its name.
    Parameters,
}

/// What a change does with its anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The text stands in its place.
    Replace,
    /// The text goes before it.
    Before,
    /// The text goes behind it.
    After,
    /// It goes; a whole statement leaves an empty one, so that a bare `if` keeps its body.
    Delete,
}

impl Change {
    /// The names the function has in different trees.
    pub fn functions(&self) -> &[String] {
        match &self.function {
            Names::One(name) => std::slice::from_ref(name),
            Names::Several(names) => names,
        }
    }
}
