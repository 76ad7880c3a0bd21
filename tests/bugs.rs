// SPDX-License-Identifier: GPL-2.0-only
//! The detection benchmark: what it reports of one bug, and that its page is about all of them.
//!
//! docs/detection.md is written by a run of hours, so a test cannot compare its numbers. It compares the rows.

mod common;

use std::collections::BTreeSet;
use std::fs;

use percuss::edit::Edit;
use percuss::experiments::detection::{select, uncounted};
use serde_json::Value;

fn page() -> String {
    fs::read_to_string(common::checkout().join("docs/detection.md")).unwrap()
}

/// The cells of all table rows between two marks of the page. The heading of a table is left out: it is the line above
/// the one that begins with dashes, and that line itself.
fn cells(part: &str) -> Vec<Vec<String>> {
    let text = page();
    let part = text.split(&format!("<!-- {part} -->")).nth(1).unwrap().split("<!-- end of").next().unwrap();
    let lines: Vec<&str> = part.lines().filter(|l| l.starts_with('|')).collect();
    let head = |i: usize| lines[i].starts_with("|---") || lines.get(i + 1).is_some_and(|l| l.starts_with("|---"));
    let rows = (0..lines.len()).filter(|i| !head(*i)).map(|i| lines[i]);
    rows.map(|l| l.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect()).collect()
}

#[test]
fn the_page_has_every_bug() {
    // `scripts/detection` writes the page; names and classes are those of bugs/seeded/.
    // A bug that is missing on the page would not count, which makes the share of found bugs look better than it is.
    let bugs = select(&[]).unwrap();
    let apart = uncounted(&bugs);
    let counted = bugs.iter().map(|bug| (bug.name.clone(), bug.class.name().to_owned()));
    let expected: Vec<_> = counted.chain(apart.iter().map(|a| (a.name.to_owned(), a.kind.to_owned()))).collect();
    let there: Vec<_> = cells("result").iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    assert_eq!(there, expected, "run scripts/detection");
}

#[test]
fn every_bug_says_what_the_kernel_could_see() {
    for bug in select(&[]).unwrap() {
        let kernel = bug.kernel.unwrap_or_else(|| panic!("{} has no [kernel]", bug.name));
        assert!(kernel.why.len() > 20 && !kernel.why.contains('\n'), "{}: {}", bug.name, kernel.why);
    }
}

#[test]
fn live_bugs_are_not_counted_twice() {
    let bugs = select(&[]).unwrap();
    for a in uncounted(&bugs) {
        assert!(bugs.iter().all(|bug| bug.name != a.name));
        // A bug that the trees have is counted as known by its quirk; an edit has to exist that takes it out.
        assert!(a.kind != "live" || Edit::load(&format!("fix-{}", a.name)).is_ok(), "{}", a.name);
    }
}

fn bugs(args: &[&str]) -> common::Done {
    common::percuss(&[&["bugs"], args].concat())
}

#[test]
fn one_bug_is_found_and_the_object_is_as_documented() {
    if common::tree().is_none() {
        return;
    }
    // B23 is visible to percuss alone, B04 also to the kernel's own checks, so both counts of the summary differ.
    let done = bugs(&["b23", "B04", "--seeds", "2", "--format", "json"]);
    assert_eq!(done.code, 0, "{}", done.err);
    let value: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(value["summary"], serde_json::json!({"counted": 2, "found": 2, "not_built": 0, "kernel": 1}));
    let b23 = &value["bugs"][0];
    assert_eq!((b23["name"].as_str(), b23["found"].as_bool()), (Some("B23"), Some(true)));
    let by: Vec<&str> = b23["oracles"].as_array().unwrap().iter().map(|o| o.as_str().unwrap()).collect();
    assert!(by.contains(&"lockstep") && by.contains(&"invariants"), "{by:?}");
    assert!(b23["ops"].as_u64().unwrap() <= 12);
    assert_eq!(b23["searches"].as_array().unwrap().len(), 2);

    let text = fs::read_to_string(common::checkout().join("docs/json.md")).unwrap();
    let part = text.split("<!-- bugs -->").nth(1).unwrap().split("<!--").next().unwrap();
    let documented: BTreeSet<&str> = part.lines().filter_map(|l| l.strip_prefix("| `")?.split('`').next()).collect();
    let mut seen = BTreeSet::new();
    for (prefix, object) in [
        ("", &value),
        ("bugs[].", b23),
        ("bugs[].searches[].", &b23["searches"][0]),
        ("bugs[].kernel.", &b23["kernel"]),
    ] {
        seen.extend(object.as_object().unwrap().keys().map(|key| format!("{prefix}{key}")));
    }
    assert_eq!(seen.iter().map(String::as_str).collect::<BTreeSet<_>>(), documented);
}

#[test]
fn what_is_not_found_is_said() {
    // With no time for it nothing is found. A benchmark that still reported success could not fail at all.
    if common::tree().is_none() {
        return;
    }
    let done = bugs(&["B33f", "--seeds", "1", "--limit", "0s"]);
    assert_eq!(done.code, 1, "{}", done.err);
    assert!(done.out.contains("not found") && done.out.contains("0 of 1 found"), "{}", done.out);
}

#[test]
fn wrong_names_are_refused() {
    for name in ["B99", "fix-B24", "v4"] {
        let done = bugs(&[name]);
        assert_eq!(done.code, 2);
        assert!(done.err.contains(&format!("`{name}` is no seeded bug; there are B01, ")), "{}", done.err);
    }
}

#[test]
fn what_does_not_apply_is_a_row_and_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let Some(tree) = common::merged(dir.path()) else { return };
    // A tree that says one thing otherwise, so that the edit of B32b finds no place in it.
    let file = tree.join("mm/percpu.c");
    let text = fs::read_to_string(&file).unwrap();
    let other = text.replace("max(freed_page_end, end + 1)", "max(end + 1, freed_page_end)");
    assert_ne!(text, other);
    fs::write(&file, other).unwrap();
    let tree = tree.to_str().unwrap();
    let done = bugs(&["B04", "B32b", "--tree", tree, "--seeds", "1", "--format", "json"]);
    assert_eq!(done.code, 0, "{}", done.err);
    let value: Value = serde_json::from_str(&done.out).unwrap();
    // B04 is one of the series, which this tree has by itself: it needs no variant first.
    assert_eq!((value["summary"]["counted"].as_u64(), value["summary"]["found"].as_u64()), (Some(1), Some(1)));
    let [b04, b32b] = [0, 1].map(|bug| &value["bugs"][bug]);
    assert_eq!((b04["found"].as_bool(), b04["does_not_apply"].is_null()), (Some(true), true));
    assert!(b32b["does_not_apply"].as_str().unwrap().contains("pcpu_reclaim_populated() has 0 of"), "{b32b}");
    assert_eq!(b32b["counted"].as_bool(), Some(false));

    // 6.1 has both of these, so there is nothing to find: no search, and no failure.
    let done = bugs(&["B36", "B41", "--tree", "6.1", "--seeds", "1"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(done.out.matches("already so here").count(), 2, "{}", done.out);
}
