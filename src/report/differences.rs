// SPDX-License-Identifier: GPL-2.0-only
//! What a change does otherwise without breaking a rule.

use std::fmt::Write;

use owo_colors::OwoColorize;

use super::layout::{count, plural, wrap};
use super::origin;
use percuss_engine::campaign::{Cause, Verdict};

/// Differences that are listed: a redesign has dozens, and the table of how it differs says more than they do.
const LISTED: usize = 6;

/// A line each, the most frequent first.
pub(super) fn list(v: &Verdict<'_>, width: usize) -> String {
    if v.differences.is_empty() {
        return String::new();
    }
    let mut out = format!("\n{}\n", "done otherwise, which breaks no rule".bold());
    for cause in v.differences.iter().take(LISTED) {
        out += &wrap("     ", 7, &line(v, cause), width);
    }
    if v.differences.len() > LISTED {
        let _ = writeln!(out, "     and {} more: see --format json, percuss diff", v.differences.len() - LISTED);
    }
    out + &figures(v)
}

/// The figures in which a workload differs, before and after.
fn figures(v: &Verdict<'_>) -> String {
    let mut out = String::new();
    for m in &v.measured {
        let [before, after] = m.figures.map(|f| f.named());
        let differ: Vec<_> = before.iter().zip(after).filter(|((_, a), (_, b))| a != b).collect();
        if differ.is_empty() {
            continue;
        }
        let _ = writeln!(out, "  {}", m.name);
        for ((name, was), (_, is)) in differ {
            let _ = writeln!(out, "    {name:<40} {:>8} -> {:>8}", count(*was), count(is));
        }
    }
    if out.is_empty() { out } else { format!("\n{}\n{out}", "how it differs, before -> after".bold()) }
}

fn line(v: &Verdict<'_>, cause: &Cause) -> String {
    let Some(case) = cause.case.map(|at| &v.cases[at]) else { return String::new() };
    let title = case.found.finding.title.trim_start_matches("percuss: ");
    let what = cause.words.as_deref().unwrap_or(title);
    let place = cause.place.as_ref().map_or_else(String::new, |place| format!("{place}: "));
    format!("{place}{what}; {}, first {}", plural(cause.programs, "program"), origin(case.found.index, v.seed))
}
