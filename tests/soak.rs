// SPDX-License-Identifier: GPL-2.0-only
//! Soak on real threads: epochs replay event for event, and what a broken tree does there is found and kept.
//!
//! A soak ends by its number of epochs in these tests, never by time: how many epochs fit into a second depends on the
//! machine, and a test that counts them would fail on a slow one.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{checkout, command, percuss, run, tree, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

fn soak(threads: &str, epochs: &str, out: &Path, more: &[&str]) -> Command {
    let out = out.to_str().unwrap();
    let args = ["soak", "--epochs", epochs, "--threads", threads, "--ops", "400", "--format", "json", "--out", out];
    command(&[&args[..], more].concat())
}

fn json(text: &str) -> Value {
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(text).unwrap()
}

fn number(value: &Value, path: &str) -> u64 {
    value.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path} in {value}"))
}

#[test]
fn epochs_replay_and_a_soak_goes_on() {
    if tree().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let done = run(soak("4", "12", dir.path(), &[]));
    let first = json(&done.out);
    assert_eq!(done.code, 0, "{first}");
    assert_eq!(number(&first, "/epochs"), 12);
    let windows = number(&first, "/replays/b14_window");
    // A replay may differ for one reason only, the window of B14: a thread reads the number of empty pages without the
    // lock, and the schedule does not have the order of that read and another thread's write.
    assert_eq!(number(&first, "/replays/equal") + windows, 12, "{first}");
    // 16 turns an epoch on average: with four, one for each thread, nothing would have run concurrently.
    assert!(number(&first, "/turns") > 12 * 16, "threads take turns: {first}");
    assert_eq!(number(&first, "/summary/new"), 0);

    let done = run(soak("4", "3", dir.path(), &["--resume"]));
    assert_eq!(done.code, 0, "{}", done.err);
    let second = json(&done.out);
    assert_eq!(number(&second, "/epochs"), 15, "totals go on");
    assert!(number(&second, "/ops") > number(&first, "/ops"));

    // Epochs of two seeds are different programs, so one state cannot count them together.
    let other = run(soak("4", "1", dir.path(), &["--resume", "--seed", "2"]));
    assert_eq!(other.code, 2);
    assert!(other.err.contains("another soak: the seed was 1, and is 2 now"), "{}", other.err);
}

#[test]
fn without_the_quirk_there_is_no_window() {
    // With B14 fixed the number is read under the lock, so every epoch must replay: this shows that the window is B14's
    // and not a defect of the replay that is excused as B14.
    if tree().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let done = run(soak("4", "12", dir.path(), &["--edit", "fix-B14"]));
    let fixed = json(&done.out);
    assert_eq!(done.code, 0, "{fixed}");
    assert!(!fixed["quirks"].as_array().unwrap().iter().any(|q| q == "B14"), "{fixed}");
    assert_eq!((number(&fixed, "/replays/equal"), number(&fixed, "/replays/b14_window")), (12, 0), "{fixed}");
}

/// The fields of a soak's JSON as docs/json.md documents them: the names in backquotes in the first column of its
/// table. Other columns name values, which are not fields.
fn documented() -> BTreeSet<String> {
    let text = fs::read_to_string(checkout().join("docs/json.md")).unwrap();
    let section = text.split("<!-- soak -->").nth(1).unwrap().split("<!--").next().unwrap().to_owned();
    let first = |line: &str| line.split('|').nth(1).unwrap_or_default().to_owned();
    let names = |cell: String| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    section.lines().flat_map(|line| names(first(line))).collect()
}

#[test]
fn a_thread_alone_replays_to_the_last_event() {
    if tree().is_none() {
        return;
    }
    // One thread alone has no other that reads the number of empty pages without the lock.
    let dir = tempfile::tempdir().unwrap();
    let done = run(soak("1", "4", dir.path(), &[]));
    let alone = json(&done.out);
    let fields: BTreeSet<String> = alone.as_object().unwrap().keys().cloned().collect();
    assert_eq!(fields, documented());
    assert_eq!((number(&alone, "/replays/equal"), number(&alone, "/replays/b14_window")), (4, 0), "{alone}");
}

#[test]
fn a_seeded_bug_is_found_and_its_program_replays() {
    if tree().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let done = run(soak("4", "8", dir.path(), &["--edit", "B21"]));
    let found = json(&done.out);
    assert_eq!(done.code, 1, "{found}");
    let programs: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().path()).collect();
    let programs: Vec<_> = programs.iter().filter(|p| p.extension().is_some_and(|e| e == "percuss")).collect();
    assert!(!programs.is_empty(), "{found}");
    for program in programs {
        let file = program.to_str().unwrap();
        // A free run that differs from its replay is reported with the program, but replaying that program cannot show
        // the difference again: the replay is what it differs from.
        if file.contains("a-free-run-does") {
            continue;
        }
        let title = fs::read_to_string(program).unwrap().lines().next().unwrap().trim_start_matches("# ").to_owned();
        // Three times, since a finding that depends on the threads' timing could show once by chance.
        for _ in 0..3 {
            let done = percuss(&["replay", file, "--edit", "B21", "--format", "json"]);
            assert_eq!(done.code, 1, "{file}: {}", done.out);
            let shown = json(&done.out);
            let titles: Vec<_> = shown["findings"].as_array().unwrap().iter().map(|f| f["title"].as_str()).collect();
            assert!(titles.contains(&Some(&title)), "{file}: {title} in {titles:?}");
        }
    }
}

#[test]
fn an_interrupted_soak_has_a_summary() {
    if tree().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state.json");
    // More epochs than a test has time for: only the signal ends it.
    let mut c = soak("4", "1000000", dir.path(), &["--state", state.to_str().unwrap()]);
    let mut child = c.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The state file is there once epochs have run for some seconds.
    while !state.exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    let done = wait(child);
    let summary = json(&done.out);
    // An end by interrupt is 2, unless what ran until then has shown something new.
    let code = if number(&summary, "/summary/new") > 0 { 1 } else { 2 };
    assert_eq!(done.code, code, "{}", done.out);
    assert_eq!(summary["interrupted"], true);
    let epochs = number(&summary, "/epochs");
    // With a state that is older than the summary, --resume would run the last epochs again and count them twice.
    let saved: Value = serde_json::from_str(&fs::read_to_string(&state).unwrap()).unwrap();
    assert_eq!(saved["next"].as_u64(), Some(epochs), "the state is that of the summary");
}

#[test]
fn bad_input_is_refused() {
    for (args, says) in [
        (&["soak", "--threads", "0"][..], "0 is not in 1..=16"),
        (&["soak", "--threads", "17"], "17 is not in 1..=16"),
        (&["soak", "--time", "soon"], "is no duration"),
        (&["soak", "--epochs", "3", "--time", "3s"], "cannot be used with"),
        (&["soak", "--apart", "--resume"], "cannot be used with"),
    ] {
        let done = percuss(args);
        assert_eq!(done.code, 2, "{args:?}");
        assert!(done.err.contains(says), "{args:?}: {}", done.err);
    }
    if tree().is_some() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state.json");
        fs::write(&state, "{}").unwrap();
        let done = run(soak("4", "1", dir.path(), &["--resume", "--state", state.to_str().unwrap()]));
        assert_eq!(done.code, 2);
        assert!(done.err.contains("no state file of a soak"), "{}", done.err);
    }
}

#[test]
fn races_need_a_linked_image() {
    // ThreadSanitizer sees only code that is compiled with it, which an image that is loaded at run time is not.
    let done = percuss(&["soak", "--races", "none", "--epochs", "1"]);
    assert_eq!(done.code, 2);
    assert!(done.err.contains("no image is linked into this program"), "{}", done.err);
    let named = fs::read_to_string(checkout().join("known-races.toml")).unwrap();
    // Both races are in 6.12 and reported in most runs: without a name they would be new each time.
    for name in ["B14", "B15"] {
        assert!(named.contains(&format!("name = \"{name}\"")));
    }
}
