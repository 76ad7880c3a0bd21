// SPDX-License-Identifier: GPL-2.0-only
//! `percuss diff`: what changes from one image to another, with small programs, the same every time.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::{Done, percuss};
use percuss::program::Program;
use percuss::tree::Tree;
use serde_json::Value;

/// Runs `percuss diff` and returns its JSON. The exit code has to be that of success: a difference is no failure.
fn diff(args: &[&str]) -> Value {
    let done = percuss(&[&["diff", "--format", "json"], args].concat());
    assert_eq!(done.code, 0, "{}", done.err);
    serde_json::from_str(&done.out).unwrap()
}

fn changes<'a>(json: &'a Value, class: &str) -> Vec<&'a Value> {
    json["changes"].as_array().unwrap().iter().filter(|c| c["class"] == class).collect()
}

/// The first change of a class whose text begins with `what`. Texts go on with numbers of lines and counts, which
/// differ between versions of a tree.
fn change<'a>(json: &'a Value, class: &str, what: &str) -> &'a Value {
    let all = changes(json, class);
    let found = all.iter().find(|c| c["what"].as_str().unwrap().starts_with(what));
    found.unwrap_or_else(|| panic!("{class}: {what} in {all:#?}"))
}

fn program(change: &Value) -> Program {
    change["program"].as_str().unwrap().parse().unwrap()
}

fn quirks(json: &Value, which: &str) -> Vec<String> {
    json[which].as_array().unwrap().iter().map(|q| q["quirk"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_tree_and_itself() {
    if common::tree().is_none() {
        return;
    }
    let run = || percuss(&["diff", "--tree", "6.12", "--against", "6.12", "--programs", "20"]);
    let Done { code, out, err } = run();
    assert_eq!(code, 0, "{err}");
    assert!(out.ends_with(" programs\n\nno change\n"), "{out}");
}

#[test]
fn two_trees() {
    // No generated programs, since those of the corpora show these changes in seconds. B36 takes a unit that crosses 2
    // MiB: only there a page table can be missing while others are mapped.
    if !common::has_trees() {
        return;
    }
    let json = diff(&["--against", "6.1", "--tree", "6.12", "--programs", "0"]);
    assert_eq!(quirks(&json, "quirks_gone"), ["B36", "warn-limit-sleepable", "B41"]);
    assert_eq!(quirks(&json, "quirks_gained"), ["B15"], "only there atomic failures count, without a lock");
    for quirk in json["quirks_gone"].as_array().unwrap() {
        quirk["program"].as_str().unwrap().parse::<Program>().unwrap();
    }
    let freed = program(change(&json, "reports", "- percuss: page freed while still mapped"));
    assert!(freed.faults.iter().any(|f| f.site.name() == "pagetables") && freed.nr_ops() <= 2, "{freed}");
    // The fix of B36 unmaps one page more, and 6.12 prints a warning for a failed atomic allocation.
    change(&json, "order", "\"unmap pages\" in __pcpu_unmap_pages instead of \"flush the TLB\"");
    change(&json, "order", "\"print\" instead of");
}

#[test]
fn a_variant() {
    if common::tree().is_none() {
        return;
    }
    let args = ["--variant", "v4", "--programs", "0"];
    let json = diff(&args);
    assert_eq!(quirks(&json, "quirks_gone"), ["B04", "B05", "B06"]);
    for mask in [
        "pcpu_create_chunk, vm areas: GFP_NOIO instead of GFP_KERNEL",
        "pcpu_mem_zalloc, pages array: GFP_NOIO instead of GFP_KERNEL",
        "pcpu_alloc_pages, pages: GFP_NOIO instead of GFP_NOFS",
    ] {
        change(&json, "masks", mask);
    }
    change(&json, "reports", "- WARNING: possible circular locking dependency detected: fs_lock");
    let edge = change(&json, "edges", "- pcpu_alloc_mutex -> fs_reclaim");
    let site = edge["sites"][0].as_str().unwrap();
    assert!(site.contains(" in pcpu_mem_zalloc (mm/percpu.c:"), "{site}");
    assert_eq!(program(edge).nr_ops(), 1, "{edge}");
    change(&json, "results", "allocations now stall");
    change(&json, "pressure", "pcpu_alloc_mutex is held longer");
    change(&json, "order", "\"enter a noio scope\" instead of \"map pages\"");

    // Changes are collected from several workers, and each is minimized: neither may depend on which worker was first.
    let again = diff(&[&args[..], &["--jobs", "1"]].concat());
    assert_eq!(json, again, "jobs do not matter");
    let whole = diff(&[&args[..], &["--no-minimize"]].concat());
    let whats = |json: &Value| -> Vec<String> {
        json["changes"].as_array().unwrap().iter().map(|c| c["what"].to_string()).collect()
    };
    assert_eq!(whats(&whole), whats(&json));
    let ops = |json: &Value| json["changes"].as_array().unwrap().iter().map(|c| program(c).nr_ops()).sum::<usize>();
    assert!(ops(&json) < ops(&whole));

    let mut seen = BTreeSet::new();
    fields(&json, "", &mut seen);
    assert_eq!(seen, documented());
}

#[test]
fn order_of_calls() {
    // B13 makes the same calls in another order. What comes of it is an edge between two locks, which has to be shown
    // as well.
    if common::tree().is_none() {
        return;
    }
    let json = diff(&["--edit", "B13", "--programs", "0"]);
    let order = change(&json, "order", "\"schedule the work\" in pcpu_schedule_balance_work instead of");
    assert!(order["what"].as_str().unwrap().ends_with("\"release pcpu_lock\""), "{order}");
    assert!(order["sites"][1].as_str().unwrap().contains("(mm/percpu.c:"), "{order}");
    change(&json, "edges", "+ pcpu_lock -> &pool->lock");
    assert!(changes(&json, "masks").is_empty() && changes(&json, "results").is_empty(), "{json}");
    // Against the version before, so that only what is new in a series is shown.
    let json = diff(&["--variant", "v4-nofail", "--against-variant", "v4", "--programs", "0"]);
    assert_eq!(quirks(&json, "quirks_gained"), ["backing-nofail"]);
    assert!(changes(&json, "edges").is_empty(), "{json}");
}

/// A patch of a tree, made of the tree itself: each line that contains an anchor is replaced.
fn patch(tree: &Tree, dir: &Path, file: &str, edits: &[(&str, &str)]) -> PathBuf {
    let source = fs::read_to_string(tree.path(file)).unwrap();
    let lines: Vec<&str> = source.lines().collect();
    let mut hunks: Vec<(usize, String)> = Vec::new();
    for (anchor, text) in edits {
        let at: Vec<usize> = (0..lines.len()).filter(|i| lines[*i].contains(anchor)).collect();
        assert_eq!(at.len(), 1, "{anchor}");
        let new: String = text.replace("{}", lines[at[0]]).lines().map(|l| format!("+{l}\n")).collect();
        let count = new.lines().count();
        // Without context, as the lines around it are none of this test's.
        let hunk = format!("@@ -{0} +{0},{count} @@\n-{1}\n{new}", at[0] + 1, lines[at[0]]);
        hunks.push((at[0], hunk));
    }
    hunks.sort();
    let hunks: String = hunks.into_iter().map(|(_, hunk)| hunk).collect();
    let path = dir.join("change.patch");
    fs::write(&path, format!("--- a/{file}\n+++ b/{file}\n{hunks}")).unwrap();
    path
}

/// What a patch of the default tree changes; None without a tree.
fn changed_by(file: &str, edits: &[(&str, &str)]) -> Option<Value> {
    let tree = common::tree()?;
    let scratch = tempfile::tempdir().unwrap();
    let patch = patch(&tree, scratch.path(), file, edits);
    Some(diff(&["--patch", patch.to_str().unwrap(), "--programs", "0", "--no-minimize"]))
}

fn figure(json: &Value, name: &str) -> Option<(u64, u64)> {
    let found = json["figures"].as_array().unwrap().iter().find(|f| f["name"] == name)?;
    Some((found["before"].as_u64().unwrap(), found["after"].as_u64().unwrap()))
}

#[test]
fn moved_members_of_a_structure_are_a_fact() {
    let file = "mm/percpu-internal.h";
    // The comment of the second line goes on, so its beginning stays.
    let moved =
        [("immutable;", "\n"), ("isolated;", "\t/* moved"), ("free_bytes;", "{}\n\tbool immutable;\n\tbool isolated;")];
    let Some(json) = changed_by(file, &moved) else { return };
    let facts = json["facts"].as_array().unwrap();
    assert_eq!((facts.len(), &facts[0]["name"]), (1, &"sizeof(struct pcpu_chunk)".into()), "{json}");
    assert!(json["changes"].as_array().unwrap().iter().all(|c| c["class"] == "boot"), "{json}");
    assert_eq!(json["figures"], serde_json::json!([]));
}

#[test]
fn a_flush_for_each_range_is_a_figure() {
    let depopulate = "pcpu_depopulate_chunk(chunk, i + 1, end + 1);";
    let edits = [
        (depopulate, "{}\n\t\t\tpcpu_post_unmap_tlb_flush(chunk, i + 1, end + 1);"),
        ("freed_page_start = min(", "\n"),
        ("freed_page_end = max(", "\n"),
    ];
    let Some(json) = changed_by("mm/percpu.c", &edits) else { return };
    let (before, after) = figure(&json, "TLB flushes").unwrap();
    assert!(before < after, "{json}");
    assert_eq!(json["changes"], serde_json::json!([]));
}

#[test]
fn one_mask_of_four_arrays_is_named() {
    let array = "sizeof(chunk->md_blocks[0]), gfp);";
    let Some(json) = changed_by("mm/percpu.c", &[(array, "sizeof(chunk->md_blocks[0]), GFP_KERNEL);")]) else { return };
    let masks = changes(&json, "masks");
    assert!(!masks.is_empty());
    for mask in masks {
        let what = mask["what"].as_str().unwrap();
        assert!(what.contains("request 4 for a chunk: GFP_") && mask["follows"].is_null(), "{what}");
    }
}

#[test]
fn what_follows_from_a_change_is_below_it() {
    // Without it no populated page is given back but with its chunk.
    let Some(json) = changed_by("mm/percpu.c", &[("\tpcpu_reclaim_populated();", "\n")]) else { return };
    let (before, after) = figure(&json, "backing pages held after the last op").unwrap();
    assert!(before < after, "{json}");
    let all = json["changes"].as_array().unwrap();
    assert!(all.iter().all(|c| c["class"] != "masks" || !c["follows"].is_null()), "{json}");
    let names: BTreeSet<String> =
        all.iter().map(|c| format!("{}: {}", c["class"].as_str().unwrap(), c["what"].as_str().unwrap())).collect();
    for cause in all.iter().filter_map(|c| c["follows"].as_str()) {
        assert!(names.contains(cause), "{cause}");
    }
}

#[test]
fn nothing_to_compare() {
    let none = percuss(&["diff"]);
    assert_eq!(none.code, 2);
    assert!(none.err.contains("give --patch, --variant or --edit, or what comes before"), "{}", none.err);
    for args in [&["--tree", "6.12", "--rev", "v1"][..], &["--against-rev", "v1"], &["--rev", "v1"]] {
        let named = percuss(&[&["diff", "--variant", "v4"], args].concat());
        assert_eq!((named.code, named.out.as_str()), (2, ""), "{args:?}: {}", named.err);
    }
}

/// Collects the dotted paths of all fields; a list adds `[]`, as in docs/json.md.
fn fields(value: &Value, at: &str, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                fields(value, &path, out);
                out.insert(path);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, &format!("{at}[]"), out)),
        _ => {}
    }
}

fn documented() -> BTreeSet<String> {
    let text = fs::read_to_string(common::checkout().join("docs/json.md")).unwrap();
    let table = text.split("<!-- diff -->").nth(1).unwrap().split("<!--").next().unwrap();
    table.lines().filter_map(|line| Some(line.split('`').nth(1)?.to_owned())).collect()
}
