// SPDX-License-Identifier: GPL-2.0-only
//! `percuss replay`: what it says of a program besides its findings.

#[path = "../common/mod.rs"]
mod common;

use std::fmt::Write;
use std::fs;

use common::{Done, percuss};
use serde_json::Value;

/// Replays a text program.
fn replay(program: &str, args: &[&str]) -> Done {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("program.percuss");
    fs::write(&file, program).unwrap();
    percuss(&[&["replay", file.to_str().unwrap()], args].concat())
}

fn happened(program: &str) -> Vec<Value> {
    let done = replay(program, &["--format", "json"]);
    let json: Value = serde_json::from_str(&done.out).unwrap();
    json["happened"].as_array().unwrap().clone()
}

/// The part of the output that lists ops, without its heading.
fn listed(out: &str) -> Vec<&str> {
    let list = out.split("what happened").nth(1).unwrap();
    list.lines().skip(1).take_while(|l| !l.is_empty()).collect()
}

const RESERVED: &str = "boot reserved=8K\ntask a\n  x = alloc 8K reserved\n  y = alloc 4096 reserved\n  z = alloc 64\n";

#[test]
fn a_failure_in_the_words_of_the_tree() {
    let Some(tree) = common::tree() else { return };
    let rows = happened(RESERVED);
    let message = rows[1]["messages"][0].as_str().unwrap();
    // The words are the tree's, the numbers the program's.
    let source = fs::read_to_string(tree.path("mm/percpu.c")).unwrap();
    assert!(message.starts_with("percpu: ") && message.contains("size=4096 align=8 atomic=0"), "{message}");
    assert!(source.contains(message.rsplit(", ").next().unwrap()), "{message}");
    assert_eq!(
        (rows[0]["area"]["chunk"].as_str(), rows[2]["area"]["chunk"].as_str()),
        (Some("reserved"), Some("first"))
    );
    assert_eq!(rows[1]["failed"], "Refused");
    let out = replay(RESERVED, &[]).out;
    let lines = listed(&out);
    assert!(lines[1].ends_with("NULL: refused") && lines[2].ends_with(message), "{out}");
}

#[test]
fn a_burst_of_atomic_allocations_fits_a_screen() {
    if common::tree().is_none() {
        return;
    }
    // The bpf prefill: far more than the populated pages hold, then the worker makes room.
    let mut program = "task a\n".to_owned();
    (0..60).for_each(|i| writeln!(program, "  x{i} = alloc 512 gfp GFP_NOWAIT").unwrap());
    program += "  balance\n  y = alloc 512 gfp GFP_NOWAIT\n";
    let rows = happened(&program);
    let failed: Vec<_> = rows.iter().filter(|r| r["failed"] == "NoRoom").collect();
    assert!(failed.len() > 10 && failed.iter().all(|r| r["messages"] == serde_json::json!([])), "{failed:?}");
    let worker = rows.iter().position(|r| r["label"] == "worker").unwrap();
    assert_eq!((&rows[worker - 1]["text"], &rows[worker]["depth"]), (&"balance".into(), &1.into()));
    assert_eq!(rows[worker]["made"][0]["chunk"], "2");
    assert!(rows[worker]["populated"].as_u64().unwrap() > 0);
    assert_eq!(rows[worker + 1]["area"]["chunk"], "2", "room came with the worker");

    // Where there is no terminal, lines have at most 100 characters.
    let out = replay(&program, &[]).out;
    let lines = listed(&out);
    assert!(lines.len() < 20 && out.lines().all(|l| l.chars().count() <= 100), "{out}");
    assert!(lines.iter().any(|l| l.ends_with("NULL, nothing printed: atomic, no populated room")), "{out}");
    let all = replay(&program, &["--ops", "all"]).out;
    assert!(listed(&all).len() >= rows.len(), "{all}");
    assert!(!replay(&program, &["--ops", "none"]).out.contains("what happened"));
}

#[test]
fn a_row_has_the_documented_fields() {
    if common::tree().is_none() {
        return;
    }
    let text = fs::read_to_string(common::checkout().join("docs/json.md")).unwrap();
    let table = text.split("<!-- happened -->").nth(1).unwrap().split("<!--").next().unwrap();
    let names = table.lines().skip(3).filter_map(|l| l.split('|').nth(1));
    let documented: Vec<&str> = names.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    let rows = happened(RESERVED);
    let fields: Vec<&String> = rows[0].as_object().unwrap().keys().collect();
    let (mut fields, mut documented) = (fields, documented);
    fields.sort();
    documented.sort();
    assert_eq!(fields, documented);
}

#[test]
fn percpu_stats_as_the_tree_prints_it() {
    let Some(tree) = common::tree() else { return };
    let program = "boot reserved=8K\ntask a\n  x = alloc 64\n  y = alloc 256 reserved\n  z = alloc 128\n  free x\n";
    let done = replay(program, &["--stats", "--format", "json"]);
    let json: Value = serde_json::from_str(&done.out).unwrap();
    let [before, after] = ["before", "after"].map(|at| json["stats"][at].as_str().unwrap().to_owned());
    // The figure of a line `  name                :        value`, the first one below a heading.
    let figure = |text: &str, heading: &str, name: &str| -> i64 {
        let below = text.split_once(heading).unwrap().1;
        let line = below.lines().find(|l| l.trim_start().starts_with(&format!("{name} "))).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let counts = |text: &str| ["nr_alloc", "nr_dealloc", "nr_cur_alloc"].map(|n| figure(text, "Global Stats:", n));
    assert_eq!((counts(&before), counts(&after)), ([0, 0, 0], [3, 1, 2]));
    assert_eq!(figure(&after, "Allocation Info:", "reserved_size"), 8192);
    let reserved = ["nr_alloc", "free_bytes", "cur_max_alloc"].map(|n| figure(&after, "Reserved Chunk", n));
    assert_eq!(reserved, [1, 8192 - 256, 256]);
    let first = ["nr_alloc", "sum_frag", "max_frag", "cur_med_alloc"].map(|n| figure(&after, "First Chunk", n));
    assert_eq!(first, [1, 64, 64, 128], "x was freed below z");
    // Byte for byte: every line is one of the file's format strings, filled in.
    let source = fs::read_to_string(tree.path("mm/percpu-stats.c")).unwrap();
    for line in after.lines().filter(|l| !l.starts_with("--") && !l.is_empty()) {
        match line.split_once(':') {
            Some((name, value)) if line.starts_with("  ") => {
                assert_eq!((name.len(), value.len()), (22, 13), "{line}");
                assert!(source.contains(name.trim()), "{line}");
            }
            _ => assert!(source.contains(line), "{line}"),
        }
    }
}

#[test]
fn what_would_be_granted_after_the_program() {
    if common::tree().is_none() {
        return;
    }
    // The file of the README: 256 bytes are free in one run, and a hint of 0 hides them.
    let file = common::checkout().join("corpora/lockstep/chunk-hint-after-free.percuss");
    let done = percuss(&["replay", file.to_str().unwrap(), "--stats", "--format", "json"]);
    let json: Value = serde_json::from_str(&done.out).unwrap();
    let free = &json["stats"]["room"];
    assert_eq!((&free["populated"], &free["populated_run"]), (&256.into(), &256.into()));
    let sizes = json["stats"]["sizes"].as_array().unwrap();
    assert_eq!(sizes.len(), 14);
    let hidden = |fit: &&Value| fit["hidden_by"] == serde_json::json!(["B24"]);
    assert_eq!(sizes.iter().filter(hidden).map(|fit| fit["size"].as_u64().unwrap()).max(), Some(256));
    // Where nothing is hidden, what fits is granted.
    let program = "task a\n  x = alloc 8192\n";
    let out = replay(program, &["--stats"]).out;
    assert!(out.contains("  4 to 8K     is granted\n"), "{out}");
    assert!(out.contains("  16K to 32K  fail"), "{out}");
}
