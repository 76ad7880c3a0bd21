// SPDX-License-Identifier: GPL-2.0-only
//! What changes from one image to another: the output of `percuss diff`, as text for people and as JSON for machines.
//! A change is always shown with a program that demonstrates it, so that it can be replayed on either image.

use std::fmt::Write;

use owo_colors::OwoColorize;
use serde_json::{Value, json};

use super::json::image;
use super::layout::{count, plural, wrap};
use super::{coverage, heading, without_finding};
use percuss_engine::campaign::{Change, Changes};
use percuss_engine::image::{Coverage, Image};
use percuss_engine::judge::{Class, probe_text};
use percuss_kernel::{Quirk, Quirks};

const PROGRAM_LINES: usize = 12;

/// Two images and what changes from one to the other, as both forms of the output need it. The changes hold only what
/// the programs showed; the quirks come from the probes that each image ran when it was built.
#[derive(Debug, Clone, Copy)]
pub struct Compared<'a> {
    /// The image without the change: what counts as gone was seen on this one only.
    pub before: &'a Image,
    /// The image with the change: what counts as gained was seen on this one only.
    pub after: &'a Image,
    /// Seed of the generated programs, without which the comparison cannot be repeated.
    pub seed: u64,
    /// What the programs did differently on the two images, sorted by class and count.
    pub changes: &'a Changes,
}

impl Compared<'_> {
    /// What the programs reached of the change; None where the image counts no lines.
    fn coverage(&self) -> Option<Coverage> {
        self.after.coverage(&self.changes.reached, self.changes.programs, self.changes.lost)
    }

    /// Quirks that only one of the two has, gained first, then gone.
    fn quirks(&self) -> [Quirks; 2] {
        let (before, after) = (self.before.quirks, self.after.quirks);
        [after.but_not(before), before.but_not(after)]
    }
}

fn title(class: Class) -> &'static str {
    match class {
        Class::Masks => "masks in force at backing allocations, by call site",
        Class::Results => "results of allocations",
        Class::Pressure => "waiting for memory",
        Class::Reports => "reports, + gained, - lost",
        Class::Edges => "edges of the graph of locks, + gained, - lost",
        Class::Order => "order and kind of calls where results are the same, the first in each program",
    }
}

/// The changes as text: both images, the programs that were run, the quirks, then each class of change under its
/// heading with counts and programs. Classes without a change are named in one line at the end: that nothing changed
/// there is a result too. `width` is in columns of the terminal.
pub fn changes(c: &Compared<'_>, width: usize) -> String {
    let mut out = format!("{}\n{}", "before".bold(), heading(c.before, width));
    let _ = write!(out, "\n{}\n{}", "after".bold(), heading(c.after, width));
    let [gained, gone] = c.quirks();
    // Quirks count too: a patch may fix one without any of the programs getting there.
    let nothing = gained.is_empty() && gone.is_empty() && c.changes.all.is_empty();
    let _ = writeln!(out, "\n{}", plural(c.changes.programs, "program").bold());
    // A program that was not run says nothing about a change, so the verdict below holds for the others only.
    if c.changes.not_run > 0 {
        out +=
            &wrap("", 0, &format!("{} not run: too many others ended their workers", count(c.changes.not_run)), width);
    }
    let covered = c.coverage();
    out += &covered.as_ref().map(|c| format!("\n{}", coverage(c, width))).unwrap_or_default();
    if nothing {
        let _ = writeln!(out, "\n{}", without_finding(covered.as_ref(), "no change").green().bold());
        return out;
    }
    out += &quirk_list(gained, "quirks gained", width);
    out += &quirk_list(gone, "quirks gone", width);
    let mut same = Vec::new();
    for class in Class::ALL {
        let changes: Vec<&Change> = c.changes.of(class).collect();
        if changes.is_empty() {
            same.push(class.name());
        } else {
            out += &kind(title(class), &changes, width);
        }
    }
    if !same.is_empty() {
        out.push('\n');
        out += &wrap(&format!("{}  ", "the same".bold()), 10, &same.join(", "), width);
    }
    out
}

fn quirk_list(list: Quirks, title: &str, width: usize) -> String {
    let mut out = String::new();
    for (i, quirk) in list.iter().enumerate() {
        if i == 0 {
            let _ = writeln!(out, "\n{}", title.bold());
        }
        out += &wrap(&format!("  {}  ", quirk.bold()), 4 + quirk.name().len(), quirk.summary(), width);
        if let Some(fix) = quirk.fix() {
            out += &wrap("      fix  ", 11, &fix.to_string(), width);
        }
    }
    out
}

/// Changes of one class. Those that the same program shows stand together above it: one program often shows many
/// changes, and printing it once for each would bury them.
fn kind(title: &str, changes: &[&Change], width: usize) -> String {
    let mut out = format!("\n{}\n", title.bold());
    let mut programs: Vec<&str> = changes.iter().map(|c| c.program.as_str()).collect();
    // The order of the first change of each program is kept: changes come sorted.
    let mut shown = std::collections::BTreeSet::new();
    programs.retain(|p| shown.insert(*p));
    for program in programs {
        for change in changes.iter().filter(|c| c.program == program) {
            let (sign, indent, what) = signed(&change.what);
            out += &wrap(&format!("  {:>7}  {sign}", count(change.count)), indent, what, width);
            out += &sites(change, width);
        }
        out += &text(program, width);
    }
    out
}

fn text(program: &str, width: usize) -> String {
    let mut out = String::new();
    let lines: Vec<&str> = program.lines().collect();
    for line in lines.iter().take(PROGRAM_LINES) {
        // Only these lines grow with the geometry and the schedule; an op is always short.
        let folds = line.starts_with("boot ") || line.starts_with("schedule ");
        let folded = if folds { wrap("", 5, line, width.saturating_sub(13)) } else { format!("{line}\n") };
        for line in folded.lines() {
            let _ = writeln!(out, "           {}", format!("| {line}").dimmed());
        }
    }
    if lines.len() > PROGRAM_LINES {
        let _ = writeln!(out, "           ({} more lines; --format json has them)", lines.len() - PROGRAM_LINES);
    }
    out
}

/// A sign in its colour, how far the text after it is indented, and that text.
fn signed(what: &str) -> (String, usize, &str) {
    match what.split_once(' ') {
        Some(("+", rest)) => (format!("{} ", "+".green().bold()), 13, rest),
        Some(("-", rest)) => (format!("{} ", "-".red().bold()), 13, rest),
        _ => (String::new(), 11, what),
    }
}

fn sites(change: &Change, width: usize) -> String {
    match &change.sites[..] {
        // Two sites are those of a call before and after; one is where an edge was seen first.
        [was, now] => {
            let line = |word: &str, site: &str| match site {
                "" => String::new(),
                site => wrap(&format!("             {word}  "), 21, site, width),
            };
            // `after ` is padded to the width of `before`, so that the sites stand one above the other.
            line("before", was) + &line("after ", now)
        }
        [first] => wrap("             first  ", 20, first, width),
        _ => String::new(),
    }
}

/// The changes as one object on one line, with schema `percuss-diff-2`; docs/json.md describes it. Nothing is
/// shortened: every change carries its whole program, and every quirk the program that probes for it.
pub fn changes_json(c: &Compared<'_>) -> String {
    let side = |i: &Image| json!({"tree": image(i), "patches": i.applied, "config": i.config.name(), "quirks": i.quirks, "undecided": i.undecided});
    let quirk = |quirk: Quirk| {
        let fix = quirk.fix().map(|fix| fix.to_string());
        json!({"quirk": quirk, "name": quirk.summary(), "fix": fix, "program": probe_text(quirk)})
    };
    let [gained, gone] = c.quirks().map(|list| list.iter().map(quirk).collect::<Vec<Value>>());
    json!({
        "schema": "percuss-diff-2",
        "before": side(c.before),
        "after": side(c.after),
        "seed": c.seed,
        "programs": c.changes.programs,
        "not_run": c.changes.not_run,
        "coverage": c.coverage(),
        "quirks_gained": gained,
        "quirks_gone": gone,
        "changes": c.changes.all,
    })
    .to_string()
}
