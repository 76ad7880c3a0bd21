// SPDX-License-Identifier: GPL-2.0-only
//! A patch in front of a reviewer: `percuss check --patch` names one cause for one mistake, and says nothing of what is
//! not wrong.
//!
//! The patches are of the kinds that are posted: fixes that break something else, cleanups, redesigns. Each is made from
//! the tree while the test runs, and given to the command as a file, as a reviewer does it.

#[path = "../common/mod.rs"]
mod common;
mod harmless;
mod wrong;

use std::time::Instant;

use common::patch::{self, Edit};
use harmless::{CALLS, DESIGNS, Harmless, STATEMENTS, STRUCTURE};
use percuss::tree::Tree;
use wrong::{COUNTS, LOCKS, RARE, Wrong};

/// Generated programs of the check of a harmless patch, beside the corpus. Nearly every program runs what these patches
/// change, so that more of them would mostly take longer.
const PROGRAMS: &str = "150";

/// What a check said of a patch.
struct Said {
    code: i32,
    /// The lines of the index of causes.
    causes: Vec<String>,
    out: String,
}

fn check(tree: &Tree, name: &str, edits: &[Edit], programs: &str) -> Said {
    let dir = tempfile::tempdir().unwrap();
    let path = |file: &str| dir.path().join(file).to_str().unwrap().to_owned();
    std::fs::write(path("posted.patch"), patch::diff(tree, edits)).unwrap();
    let started = Instant::now();
    let (posted, out) = (path("posted.patch"), path("findings"));
    let done = common::percuss(&["check", "--patch", &posted, "--programs", programs, "--out", &out]);
    assert!(done.code < 2, "{name}: {}", done.err);
    let said = Said { code: done.code, causes: index(&done.out), out: done.out };
    eprintln!("{:>3} {} {:5.1}s  {name}", said.code, said.causes.len(), started.elapsed().as_secs_f64());
    said
}

/// The causes in a report for people: a number begins one, and a line further to the right continues it.
fn index(out: &str) -> Vec<String> {
    let Some((_, index)) = out.split_once("\nwhat is wrong\n") else { return Vec::new() };
    let mut causes: Vec<String> = Vec::new();
    for line in index.lines().take_while(|line| !line.is_empty()) {
        let text = line.trim();
        match causes.last_mut() {
            Some(last) if line.starts_with("        ") => *last += &format!(" {text}"),
            _ => causes.push(text.to_owned()),
        }
    }
    causes
}

/// Each patch has one cause, of the right oracle and in the right words.
fn wrong(cases: &[Wrong]) {
    let Some(tree) = common::tree() else { return };
    for Wrong { name, edits, programs, oracle, says } in cases {
        let said = check(&tree, name, edits, programs);
        let [cause] = said.causes.as_slice() else { panic!("{name}: {:#?}\n{}", said.causes, said.out) };
        assert_eq!(said.code, 1, "{name}");
        let (_, cause) = cause.split_once("  ").unwrap();
        assert!(cause.starts_with(oracle), "{name}: {cause}");
        for word in *says {
            assert!(cause.contains(word), "{name}: `{word}` is not in: {cause}");
        }
        // The unpatched tree has orders of locks that conflict; they are no news.
        assert!(!cause.contains("circular locking"), "{name}: {cause}");
    }
}

/// Each patch is silent.
fn silent(cases: &[Harmless]) {
    let Some(tree) = common::tree() else { return };
    for Harmless { name, edits } in cases {
        let said = check(&tree, name, edits, PROGRAMS);
        assert!(said.code == 0 && said.causes.is_empty(), "{name}: {:#?}\n{}", said.causes, said.out);
        let first = said.out.lines().next().unwrap();
        assert!(first.starts_with("nothing new"), "{name}: {first}");
    }
}

#[test]
fn a_lock_or_a_mask_that_is_wrong_is_one_cause() {
    wrong(LOCKS);
}

#[test]
fn a_wrong_count_and_a_leak_are_one_cause_each() {
    wrong(COUNTS);
}

#[test]
fn what_seldom_does_harm_is_one_cause() {
    wrong(RARE);
}

#[test]
fn code_that_is_moved_is_silent() {
    silent(STRUCTURE);
}

#[test]
fn statements_that_are_written_otherwise_are_silent() {
    silent(STATEMENTS);
}

#[test]
fn calls_that_are_allowed_are_silent() {
    silent(CALLS);
}

#[test]
fn other_designs_are_silent() {
    silent(DESIGNS);
}

#[test]
fn there_are_twenty_harmless_patches() {
    // Fewer would say little about the next one that is posted.
    assert!(STRUCTURE.len() + STATEMENTS.len() + CALLS.len() >= 20);
}
