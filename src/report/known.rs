// SPDX-License-Identifier: GPL-2.0-only
//! Known findings: the bugs of the tree, and what was there before a change.

use std::fmt::Write;

use owo_colors::OwoColorize;

use super::layout::{count, wrap};
use super::program::program;
use percuss_engine::campaign::{Case, Standing, Verdict};
use percuss_engine::judge::probe_program;
use percuss_kernel::Quirk;
use percuss_program::Program;

/// A known finding's program is shown up to this number of lines: it is a reminder, and new findings need the space.
const KNOWN_LINES: usize = 10;

/// Known bugs, a line each, the most frequent first; in detail when `verbose`.
pub(super) fn known(v: &Verdict<'_>, verbose: bool, width: usize) -> String {
    let groups = groups(v);
    let mut out = if verbose { in_detail(&groups, width) } else { in_lines(&groups, width) };
    out += &before(v, width);
    out
}

fn groups<'v>(v: &'v Verdict<'_>) -> Vec<(Quirk, Vec<&'v Case>)> {
    let mut groups: Vec<(Quirk, Vec<&Case>)> = Vec::new();
    for case in v.cases.iter().filter(|c| c.standing == Standing::Known) {
        let Some(quirk) = case.quirk() else { continue };
        match groups.iter_mut().find(|(q, _)| *q == quirk) {
            Some((_, cases)) => cases.push(case),
            None => groups.push((quirk, vec![case])),
        }
    }
    groups
}

fn in_lines(groups: &[(Quirk, Vec<&Case>)], width: usize) -> String {
    if groups.is_empty() {
        return String::new();
    }
    let mut out = format!("\n{}\n", "known bugs (-v shows their findings)".bold());
    let name = groups.iter().map(|(quirk, _)| quirk.name().len()).max().unwrap_or(0);
    for (quirk, cases) in groups {
        let seen: u64 = cases.iter().map(|c| c.found.count).sum();
        let padding = " ".repeat(name - quirk.name().len());
        let first = format!("  {}{padding} {:>8}  ", quirk.yellow(), count(seen));
        out += &wrap(&first, name + 13, quirk.summary(), width);
    }
    out
}

/// What no quirk accounts for, and was there before the change.
fn before(v: &Verdict<'_>, width: usize) -> String {
    let cases: Vec<&Case> = v.cases.iter().filter(|c| c.standing == Standing::Before).collect();
    if cases.is_empty() {
        return String::new();
    }
    let mut out = format!("\n{}\n", "there before the change, too".bold());
    for case in cases {
        let title = case.found.finding.title.trim_start_matches("percuss: ");
        out += &wrap(&format!("  {:>8}  ", count(case.found.count)), 12, title, width);
    }
    out
}

/// Known findings, one group for each quirk, the most frequent first, each group with a program short enough to read:
/// the smallest that was found, else the one that probes for the quirk.
fn in_detail(groups: &[(Quirk, Vec<&Case>)], width: usize) -> String {
    let mut out = String::new();
    for (quirk, cases) in groups {
        let (quirk, mut cases) = (*quirk, cases.clone());
        // The most frequent is the most likely one to be looked for.
        cases.sort_by_key(|c| std::cmp::Reverse(c.found.count));
        let first = format!("\n{} {}  ", "known".yellow(), quirk.bold());
        out += &wrap(&first, 8 + quirk.name().len(), quirk.summary(), width);
        let _ = match quirk.fix() {
            Some(fix) => writeln!(out, "{}", wrap("  fixed by  ", 12, &fix.to_string(), width).trim_end()),
            None => writeln!(out, "  no fix known"),
        };
        for case in &cases {
            let title = case.found.finding.title.trim_start_matches("percuss: ");
            out += &wrap(&format!("  {:>8}  ", count(case.found.count)), 12, title, width);
        }
        // One program a quirk: the findings of a group have one cause.
        let smallest = cases.iter().map(|c| c.program.clone()).min_by_key(Program::nr_ops);
        let short = |p: &Program| p.to_string().lines().count() <= KNOWN_LINES;
        if let Some(p) = smallest.filter(short) {
            program(&mut out, &p, "    ", None, width);
        // The probe shows the same behaviour, but is no finding: the line above it says so.
        } else if let Some(p) = Some(probe_program(quirk)).filter(short) {
            out += "  told apart by\n";
            program(&mut out, &p, "    ", None, width);
        }
    }
    out
}
