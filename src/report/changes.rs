// SPDX-License-Identifier: GPL-2.0-only
//! What a patch changes, for people and machines.

use std::fmt::Write;

use owo_colors::OwoColorize;

use super::heading;
use super::layout::{count, plural, wrap};
use crate::campaign::{Change, Changes};
use crate::image::Image;
use crate::model::Quirks;

/// Lines of a program that are shown.
const PROGRAM_LINES: usize = 12;

/// Quirks that only one of two images has.
fn quirks(here: &Image, there: &Image) -> Vec<&'static str> {
    let has = |image: &Image, name| image.quirks.get(name) == Ok(true);
    Quirks::ALL.iter().map(|q| q.name).filter(|n| has(here, n) && !has(there, n)).collect()
}

/// The changes, each kind under its heading, each change with its count, and the shortest program of the first.
pub fn changes(before: &Image, after: &Image, c: &Changes, width: usize) -> String {
    let mut out = heading(after, width);
    let _ = writeln!(out, "\ncompared with {} as it is, in {}\n", before.tree.name, plural(c.programs, "program"));
    let (gained, lost) = (quirks(after, before).join(" "), quirks(before, after).join(" "));
    for (what, list) in [("quirks gained", gained), ("quirks gone", lost)] {
        let _ = writeln!(out, "{}  {}", what.bold(), if list.is_empty() { "none" } else { &list });
    }
    out += &kind("masks in force under pcpu_alloc_mutex, + now, - no longer", &c.masks, width);
    out += &kind("results of allocations", &c.results, width);
    out += &kind("reports, + gained, - lost", &c.reports, width);
    out
}

fn kind(title: &str, changes: &[Change], width: usize) -> String {
    let mut out = format!("\n{}\n", title.bold());
    if changes.is_empty() {
        return out + "  the same\n";
    }
    for change in changes {
        out += &wrap(&format!("  {:>7}  ", count(change.count)), 11, &change.what, width);
    }
    let lines: Vec<&str> = changes[0].program.lines().collect();
    let _ = writeln!(out, "  the first of these in");
    for line in lines.iter().take(PROGRAM_LINES) {
        let _ = writeln!(out, "    | {line}");
    }
    if lines.len() > PROGRAM_LINES {
        let _ = writeln!(out, "    ({} more lines; --format json has them)", lines.len() - PROGRAM_LINES);
    }
    out
}

/// The changes as one object, every change with its program.
pub fn changes_json(before: &Image, after: &Image, c: &Changes) -> String {
    let value = serde_json::json!({
        "schema": "percuss-diff-1",
        "tree": after.tree.name,
        "patches": after.applied,
        "quirks_gained": quirks(after, before),
        "quirks_gone": quirks(before, after),
        "changes": c,
    });
    serde_json::to_string_pretty(&value).expect("plain data")
}
