// SPDX-License-Identifier: GPL-2.0-only
//! JSON output: as documented, and the same every time.
//!
//! Scripts read it and compare two runs. A field that is not documented, or a value that depends on the number of jobs,
//! breaks them without an error.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Done, command, percuss, run, tree, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

// Enough for several batches, so that three jobs have something to share and a killed worker something to lose.
const PROGRAMS: &str = "300";

fn parse(done: &Done) -> Value {
    assert_eq!(done.out.lines().count(), 1, "one object on one line: {}", done.err);
    serde_json::from_str(&done.out).unwrap()
}

fn timeless(done: &Done) -> Value {
    let mut value = parse(done);
    assert!(value["seconds"].as_f64().unwrap() > 0.0);
    // The only field that depends on the machine.
    value["seconds"] = Value::Null;
    value
}

/// Collects the dotted paths of all fields. The keys of `hints.by_quirk` are names of quirks, which are data: only the
/// field itself is documented. Objects in `differences` are documented as those in `causes`, and `coverage` where `diff` is.
fn fields(value: &Value, at: &str, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) if !["hints.by_quirk", "coverage"].contains(&at) => {
            for (name, value) in object {
                let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                fields(value, &path, out);
                out.insert(path);
            }
        }
        Value::Array(items) if at != "differences" => {
            items.iter().for_each(|item| fields(item, &format!("{at}[]"), out))
        }
        _ => {}
    }
}

/// The names in backquotes in a part of docs/json.md: the first of each line where the part is a table of fields, or
/// all of them where it is a sentence.
fn documented(part: &str, all: bool) -> BTreeSet<String> {
    let text = fs::read_to_string(common::checkout().join("docs/json.md")).unwrap();
    let begin = format!("<!-- {part} -->");
    let section = text.split(&begin).nth(1).unwrap().split("<!--").next().unwrap();
    let names = |line: &str| -> Vec<String> { line.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    section.lines().flat_map(|l| if all { names(l) } else { names(l).into_iter().take(1).collect() }).collect()
}

fn check(jobs: &str, out: &std::path::Path) -> Vec<String> {
    let out = out.to_str().unwrap();
    ["check", "--format", "json", "--programs", PROGRAMS, "--jobs", jobs, "--out", out].map(str::to_owned).to_vec()
}

#[test]
fn the_same_whatever_happens() {
    // One run is compared with others that have more workers, or lose some on the way, byte for byte but for the time.
    if tree().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let with = |jobs: &str| {
        let args = check(jobs, dir.path());
        let mut c = command(&args.iter().map(String::as_str).collect::<Vec<_>>());
        (c.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap(), args)
    };
    let (child, _) = with("1");
    let one = timeless(&wait(child));
    let (child, _) = with("3");
    assert_eq!(timeless(&wait(child)), one, "jobs do not matter");

    // A worker that is killed from outside loses nothing.
    let (child, _) = with("2");
    let mut killed = 0;
    while killed < 2
        && let Some(victim) = worker_of(child.id())
    {
        // It may have ended by itself between being seen and being killed.
        killed += kill(Pid::from_raw(victim as i32), Signal::SIGKILL).is_ok() as u32;
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(killed > 0, "no worker was started");
    assert_eq!(timeless(&wait(child)), one, "a lost worker does not matter");

    let hints = &one["findings"].as_array().unwrap().iter().find(|f| f["known"] == "B24");
    assert!(hints.is_some(), "{one}");
    for empty in ["causes", "differences", "gained", "lost"] {
        assert_eq!(one[empty], Value::Array(Vec::new()), "a tree by itself has no {empty}");
    }
    assert!(one["base"].is_null() && one["judge"] == "auto", "{one}");
}

/// A change is all that has causes, so its verdict has every field.
#[test]
fn a_change_has_what_is_documented() {
    if tree().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let args = check("2", dir.path());
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = percuss(&[&args[..], &["--edit", "B32"]].concat());
    assert_eq!(done.code, 1, "{}", done.err);
    let verdict = parse(&done);
    let mut seen = BTreeSet::new();
    fields(&verdict, "", &mut seen);
    assert_eq!(seen, documented("check", false));

    assert_eq!(verdict["base"]["name"], "6.12");
    let findings = verdict["findings"].as_array().unwrap();
    let standing = |name: &str| findings.iter().filter(|f| f["standing"] == name).count() as u64;
    for name in ["new", "known", "before"] {
        assert_eq!(verdict["summary"][name], standing(name), "{name}");
    }
    for name in ["causes", "differences"] {
        assert_eq!(verdict["summary"][name], verdict[name].as_array().unwrap().len() as u64, "{name}");
    }
    let cause = &verdict["causes"][0];
    let shown = &findings[cause["finding"].as_u64().unwrap() as usize];
    // A missing flush is no divergence of its own: the rule about translations stands for it.
    assert_eq!((&cause["oracle"], &cause["title"]), (&"mapping".into(), &shown["title"]), "{cause}");
    for same in ["place", "program"] {
        assert_eq!(cause[same], shown[same]);
        assert!(cause[same].is_string(), "{cause}");
    }
    // Every new finding belongs to a cause.
    let of = |cause: &Value| -> Vec<u64> {
        cause["findings"].as_array().unwrap().iter().map(|at| at.as_u64().unwrap()).collect()
    };
    let explained: BTreeSet<u64> = verdict["causes"].as_array().unwrap().iter().flat_map(of).collect();
    for (at, finding) in findings.iter().enumerate() {
        assert_eq!(finding["standing"] == "new", explained.contains(&(at as u64)), "{finding}");
    }
}

/// The process id of a running worker of a process, waiting until there is one; None once the process is over or a
/// minute has passed. Found through /proc, since percuss has no interface to ask for them.
fn worker_of(parent: u32) -> Option<u32> {
    let until = Instant::now() + Duration::from_secs(60);
    let over = || fs::read_to_string(format!("/proc/{parent}/stat")).map_or(true, |stat| stat.contains(") Z "));
    while Instant::now() < until && !over() {
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
            // A process may end while it is being read, which gives an empty text.
            let line = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
            let after = stat.rsplit(')').next().unwrap_or_default();
            let ppid = after.split_whitespace().nth(1).and_then(|p| p.parse().ok());
            if ppid == Some(parent) && line.contains("\0worker") {
                return Some(entry.file_name().to_str().unwrap().parse().unwrap());
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    None
}

#[test]
fn replay_and_tree_are_as_documented() {
    if tree().is_none() {
        return;
    }
    let top = |done: &Done| -> BTreeSet<String> { parse(done).as_object().unwrap().keys().cloned().collect() };
    let file = common::checkout().join("corpora/lockstep/chunk-hint-after-free.percuss");
    let done = percuss(&["replay", file.to_str().unwrap(), "--format", "json"]);
    assert_eq!(top(&done), documented("replay", true));
    let done = run(command(&["tree", "--format", "json"]));
    assert_eq!(done.code, 0);
    assert_eq!(top(&done), documented("tree", true));
}
