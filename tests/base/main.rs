// SPDX-License-Identifier: GPL-2.0-only
//! What a change is judged against: what it brings is new, what was there before is not, and a base that says nothing
//! is refused.

#[path = "../common/mod.rs"]
mod common;

use std::fs;

use common::{Done, copy, percuss, tree};
use serde_json::Value;

/// Checks the 6.12 tree with a change, and returns the verdict with the exit code.
fn check(change: &[&str]) -> (i32, Value) {
    let out = tempfile::tempdir().unwrap();
    let args = ["check", "--tree", "6.12", "--programs", "100", "--jobs", "2", "--format", "json", "--out"];
    let done = percuss(&[&args[..], &[out.path().to_str().unwrap()], change].concat());
    (done.code, serde_json::from_str(&done.out).unwrap_or_else(|_| panic!("{}", done.err)))
}

#[test]
fn a_known_bug_that_comes_back_is_the_first_cause() {
    // The Model follows the change, and each finding is known: without a base the verdict would be "nothing new".
    if tree().is_none() {
        return;
    }
    let (code, verdict) = check(&["--variant", "pre-9a5b183"]);
    assert_eq!((code, &verdict["gained"]), (1, &serde_json::json!(["B03", "B03b"])), "{verdict}");
    assert_eq!(verdict["causes"][0]["quirk"], "B03");
    assert!(verdict["causes"][0]["program"].as_str().unwrap().contains("task a"));
    let known = |f: &&Value| f["known"] == "B03";
    assert!(verdict["findings"].as_array().unwrap().iter().filter(known).all(|f| f["standing"] == "new"));

    let (code, verdict) = check(&["--variant", "pre-9a5b183", "--base", "none"]);
    assert_eq!((code, &verdict["base"]), (0, &Value::Null), "{verdict}");
    // The same tree is no change against itself with another bug on top: only that one counts.
    let (code, verdict) = check(&["--variant", "pre-9a5b183", "--edit", "B32", "--base-variant", "pre-9a5b183"]);
    assert_eq!((code, &verdict["gained"]), (1, &serde_json::json!([])), "{verdict}");
    assert_eq!(verdict["causes"][0]["oracle"], "mapping", "{verdict}");
}

#[test]
fn a_fix_that_leaves_others_to_close_the_cycle_brings_nothing() {
    // B04 and B05 each close the cycles that B06 closed. All of them were there before.
    if tree().is_none() {
        return;
    }
    let (code, verdict) = check(&["--variant", "noio-mask"]);
    assert_eq!((code, &verdict["lost"]), (0, &serde_json::json!(["B06"])), "{verdict}");
    assert_eq!((&verdict["summary"]["new"], &verdict["summary"]["causes"]), (&0.into(), &0.into()), "{verdict}");
}

#[test]
fn a_base_that_says_nothing_is_refused() {
    let Some(tree) = tree() else { return };
    let refused = |args: &[&str], words: &str| {
        let Done { code, out, err } = percuss(&[&["check", "--programs", "1"], args].concat());
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        assert!(err.contains(words), "{err}");
    };
    refused(&["--tree", "6.12", "--base", "6.12"], "is the same code as what it is compared with");
    refused(&["--edit", "B32", "--base-edit", "B32"], "is the same code as what it is compared with");
    refused(&["--base", "6.13"], "unknown kernel tree `6.13`");
    refused(&["--edit", "B32", "--base-edit", "B99"], "unknown edit `B99`");
    refused(&["--edit", "B32", "--base-patch", "none.patch"], "none.patch");
    refused(&["--edit", "B32", "--judge", "model"], "[possible values: auto, lockstep, rules]");
    // 125 would let a bisection skip commits for a fault that is not theirs.
    let dir = tempfile::tempdir().unwrap();
    let broken = dir.path().join("linux");
    copy(&tree.dir, &broken);
    let path = broken.join("mm/percpu.c");
    fs::write(&path, fs::read_to_string(&path).unwrap() + "\n#error broken on purpose\n").unwrap();
    refused(&["--tree", "6.12", "--base", broken.to_str().unwrap()], "`--base none` judges the changed tree by itself");
}
