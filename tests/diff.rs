// SPDX-License-Identifier: GPL-2.0-only
//! `percuss diff`: what changes from one image to another, with small programs, the same every time.

mod common;

use std::collections::BTreeSet;
use std::fs;

use common::{Done, percuss};
use percuss::program::Program;
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
