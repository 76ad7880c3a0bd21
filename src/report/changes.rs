// SPDX-License-Identifier: GPL-2.0-only
//! What changes from one image to another: the output of `percuss diff`, as text for people and as JSON for machines.
//! A change is always shown with a program that demonstrates it, so that it can be replayed on either image.

use std::fmt::Write;

use owo_colors::OwoColorize;
use serde_json::{Value, json};

use super::facts::{Fact, facts};
use super::json::image;
use super::layout::{count, plural, wrap};
use super::{coverage, heading, without_finding};
use percuss_engine::campaign::{Change, Changes};
use percuss_engine::image::{Coverage, Image};
use percuss_engine::judge::{Class, probe_text};
use percuss_kernel::{Quirk, Quirks};

const PROGRAM_LINES: usize = 12;
/// Orders of calls that are shown. One change makes many, as the calls before and after it differ.
const ORDERS: usize = 4;

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
        Class::Boot => "boot",
        Class::Order => "order and kind of calls where results are the same, the first in each program",
    }
}

/// The changes as text: both images, the programs that were run, facts, quirks and figures that differ, then each class of change under its
/// heading with counts and programs. Classes without a change are named in one line at the end: that nothing changed
/// there is a result too. `width` is in columns of the terminal.
pub fn changes(c: &Compared<'_>, width: usize) -> String {
    let mut out = format!("{}\n{}", "before".bold(), heading(c.before, width));
    let _ = write!(out, "\n{}\n{}", "after".bold(), heading(c.after, width));
    let [gained, gone] = c.quirks();
    // Quirks count too: a patch may fix one without any of the programs getting there.
    let facts = facts(c.before, c.after);
    // Sizes decide what boot leaves, and stand above already.
    let shown = |change: &&Change| change.class != Class::Boot || facts.is_empty();
    let figures = figures(c.changes);
    let quirks = gained.is_empty() && gone.is_empty();
    let nothing = quirks && facts.is_empty() && figures.is_empty() && c.changes.all.is_empty();
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
    out += &left_out(c.changes, width);
    out += &lines("facts", facts.iter().map(|f| format!("{}: {} -> {}", f.name, f.before, f.after)), width);
    out += &quirk_list(gained, "quirks gained", width);
    out += &quirk_list(gone, "quirks gone", width);
    out += &lines("figures, sums over all programs", figures.iter().map(Figure::words), width);
    let mut same = Vec::new();
    for class in Class::ALL {
        let changes: Vec<&Change> = c.changes.of(class).filter(|c| c.follows.is_none()).filter(shown).collect();
        if c.changes.of(class).next().is_none() {
            same.push(class.name());
        } else if !changes.is_empty() {
            let shown = if class == Class::Order { changes.len().min(ORDERS) } else { changes.len() };
            out += &kind(c.changes, title(class), &changes[..shown], width);
            if shown < changes.len() {
                let more = plural((changes.len() - shown) as u64, "more order");
                out += &wrap("           ", 11, &format!("{more}: --format json has them"), width);
            }
        }
    }
    if !same.is_empty() {
        out.push('\n');
        out += &wrap(&format!("{}  ", "the same".bold()), 10, &same.join(", "), width);
    }
    out
}

/// Programs that were not compared in full, and why.
fn left_out(changes: &Changes, width: usize) -> String {
    let shifted = "where tasks are preempted within ops, and not with whole ops: left out";
    let short = "where memory runs short, and boot leaves another amount: only masks and reports are compared";
    let some = [(changes.shifted, shifted), (changes.short, short)].into_iter().filter(|(n, _)| *n > 0);
    some.map(|(n, why)| wrap("  ", 2, &format!("{} with differences {why}", plural(n, "program")), width)).collect()
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
fn kind(all: &Changes, title: &str, changes: &[&Change], width: usize) -> String {
    let mut out = format!("\n{}\n", title.bold());
    let mut programs: Vec<&str> = changes.iter().map(|c| c.program.as_str()).collect();
    // The order of the first change of each program is kept: changes come sorted.
    let mut shown = std::collections::BTreeSet::new();
    programs.retain(|p| shown.insert(*p));
    // Masks of one request differ by caller: the first program stands for all.
    let request = |c: &Change| c.what.split(": ").next().map(str::to_owned);
    let mut requests = std::collections::BTreeSet::new();
    for program in programs {
        let of_program = || changes.iter().filter(|c| c.program == program);
        let known = of_program().all(|c| c.class == Class::Masks && requests.contains(&request(c)));
        requests.extend(of_program().map(|c| request(c)));
        for change in changes.iter().filter(|c| c.program == program) {
            let (sign, indent, what) = signed(&change.what);
            out += &wrap(&format!("  {:>7}  {sign}", count(change.count)), indent, what, width);
            out += &sites(change, width);
            out += &followers(all, change, width);
        }
        if !known {
            out += &text(program, width);
        }
    }
    out
}

/// What only ever comes after a change in the programs that show it: results in words, other classes in numbers.
fn followers(all: &Changes, cause: &Change, width: usize) -> String {
    let mut out = String::new();
    let mut counts = Vec::new();
    for class in Class::ALL {
        let some: Vec<&Change> = all.after(cause).filter(|c| c.class == class).collect();
        if class == Class::Results {
            for change in some {
                out += &wrap("             then  ", 19, &format!("{} ({})", change.what, count(change.count)), width);
            }
        } else if !some.is_empty() {
            counts.push(format!("{} of {}", some.len(), class.name()));
        }
    }
    if !counts.is_empty() {
        let text = format!("{} that only follow: --format json has them", counts.join(", "));
        out += &wrap("             and   ", 19, &text, width);
    }
    out
}

fn lines(title: &str, all: impl Iterator<Item = String>, width: usize) -> String {
    let mut out = String::new();
    for line in all {
        if out.is_empty() {
            let _ = writeln!(out, "\n{}", title.bold());
        }
        out += &wrap("  ", 4, &line, width);
    }
    out
}

/// A figure that differs.
struct Figure {
    name: &'static str,
    before: u64,
    after: u64,
}

impl Figure {
    fn words(&self) -> String {
        let word = if self.after > self.before { "more" } else { "fewer" };
        format!("{word} {}: {} -> {}", self.name, plain(self.before), plain(self.after))
    }

    fn json(&self) -> Value {
        json!({"name": self.name, "before": self.before, "after": self.after})
    }
}

fn plain(n: u64) -> String {
    if n == 0 { "0".to_owned() } else { count(n) }
}

fn figures(changes: &Changes) -> Vec<Figure> {
    let [before, after] = changes.figures.map(|side| side.named());
    let both = before.into_iter().zip(after).filter(|(a, b)| a != b);
    both.map(|((name, before), (_, after))| Figure { name, before, after }).collect()
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
        "shifted": c.changes.shifted,
        "short": c.changes.short,
        "facts": facts(c.before, c.after).iter().map(Fact::json).collect::<Vec<_>>(),
        "figures": figures(c.changes).iter().map(Figure::json).collect::<Vec<_>>(),
        "quirks_gained": gained,
        "quirks_gone": gone,
        "changes": c.changes.all,
    })
    .to_string()
}
