// SPDX-License-Identifier: GPL-2.0-only
//! One change of an edit: where it is and what it does there.
//!
//! A place is a function and an anchor in it, not a line number and not a patch: it is found in every tree that has the
//! statement, and next to none of the kernel's text is in this repository.

use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The file, relative to the tree.
    pub file: String,
    /// The function, or the names it has in different trees: the first that is defined counts. In TOML a string or a
    /// list of strings.
    function: Names,
    #[serde(default)]
    pub part: Part,
    /// What the change is made to: kernel text, or a base's, one statement at most. Whitespace and comments do not
    /// matter, neither here nor in the tree. In TOML a string, or a list of strings: forms that the statement has in
    /// different trees, of which the first that is there counts. Local variables may have other names in the tree.
    anchor: Names,
    /// Which match is meant, counted from 1, when the anchor is there more than once. Without it there must be exactly
    /// one, so that an edit never hits another place than the one it was written for.
    #[serde(default)]
    pub nth: Option<usize>,
    pub action: Action,
    /// Our own code, which is put on one line; none for `delete`.
    #[serde(default)]
    pub text: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Several(Vec<String>),
}

impl Names {
    fn all(&self) -> &[String] {
        match self {
            Names::One(name) => std::slice::from_ref(name),
            Names::Several(names) => names,
        }
    }
}

/// Part of a function's definition. An anchor is looked for in one of them only: a parameter's name is mostly in the
/// body, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    #[default]
    Body,
    /// Between the parentheses after its name.
    Parameters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    Replace,
    Before,
    After,
    /// The anchor goes. A whole statement leaves an empty one, so that an `if` without braces does not take the next
    /// statement for its body.
    Delete,
}

impl Change {
    /// The names the function has in different trees.
    pub fn functions(&self) -> &[String] {
        self.function.all()
    }

    pub fn anchors(&self) -> &[String] {
        self.anchor.all()
    }
}
