// SPDX-License-Identifier: GPL-2.0-only
//! Words for quirks: from the quirk itself and from `known-findings.toml`, which only adds names and commits.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use percuss_model::Quirks;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    name: String,
    /// Title of the fix; the quirk's own when it is left out.
    fix: Option<String>,
    commit: Option<String>,
}

static KNOWN: LazyLock<BTreeMap<String, Words>> = LazyLock::new(|| {
    let text = percuss_data::file("known-findings.toml");
    toml::from_str(text).expect("known-findings.toml is tested")
});

/// The change that ends a quirk, when one is known: its title, with the commit in front when that is known too.
pub fn fix(quirk: &str) -> Option<String> {
    let words = KNOWN.get(quirk);
    let own = Quirks::ALL.iter().find(|q| q.name == quirk).and_then(|q| q.fix);
    let title = words.and_then(|w| w.fix.as_deref()).or(own)?;
    Some(match words.and_then(|w| w.commit.as_deref()) {
        Some(commit) => format!("{commit} (\"{title}\")"),
        None => title.to_owned(),
    })
}

/// What a quirk is, in a few words.
pub fn name(quirk: &str) -> Option<&'static str> {
    let first_sentence = |q: &percuss_model::Quirk| q.story.split_inclusive(". ").next().unwrap_or(q.story).trim_end();
    let own = || Quirks::ALL.iter().find(|q| q.name == quirk).map(first_sentence);
    KNOWN.get(quirk).map(|w| w.name.as_str()).or_else(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_a_quirks() {
        for quirk in KNOWN.keys() {
            assert!(Quirks::none().get(quirk).is_ok(), "known-findings.toml names {quirk}, which is no quirk");
        }
        assert_eq!(fix("B24").as_deref(), Some("percpu: fix wrong chunk hints update"));
        assert!(Quirks::ALL.iter().all(|q| name(q.name).is_some()));
    }
}
