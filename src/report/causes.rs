// SPDX-License-Identifier: GPL-2.0-only
//! What is wrong: an index of causes, a line each, then a page for each with its smallest program.

use std::fmt::Write;

use owo_colors::OwoColorize;

use super::layout::{plural, wrap};
use super::program::{program, report};
use super::{origin, together};
use percuss_engine::campaign::{Case, Cause, Verdict};
use percuss_engine::judge::{probe_program, probe_text};
use percuss_kernel::Quirk;
use percuss_lockdep::Part;

/// Titles of findings that follow from a cause that are listed: they are what a reader searches for in old reports.
const FOLLOWING: usize = 4;

/// The causes, the most serious first.
pub(super) fn index(v: &Verdict<'_>, width: usize) -> String {
    let mut out = String::new();
    if !v.causes.is_empty() {
        let _ = writeln!(out, "\n{}", "what is wrong".bold());
    }
    for (i, cause) in v.causes.iter().enumerate() {
        let first = format!("{:>3}  {:<10}  ", i + 1, kind(v, cause).red().bold().to_string());
        out += &wrap(&first, 17, &line(v, cause), width);
    }
    out
}

fn kind(v: &Verdict<'_>, cause: &Cause) -> String {
    match (cause.quirk, case(v, cause)) {
        (Some(quirk), _) => quirk.name().to_owned(),
        (None, Some(case)) => case.found.finding.oracle.name().to_owned(),
        (None, None) => String::new(),
    }
}

fn case<'v>(v: &'v Verdict<'_>, cause: &Cause) -> Option<&'v Case> {
    cause.case.map(|at| &v.cases[at])
}

/// What, where, how often, and which program showed it first.
fn line(v: &Verdict<'_>, cause: &Cause) -> String {
    let mut text = headline(v, cause);
    if let Some(place) = &cause.place {
        text += &format!("; at {place}");
    }
    if let Some(case) = case(v, cause) {
        text += &match case.found.composed {
            // No program shows it alone, so there is nothing to count.
            Some(_) => "; in several programs together".to_owned(),
            None => {
                let first = origin(case.found.index, v.seed);
                format!("; {}, first {first}", plural(cause.programs, "program"))
            }
        };
    }
    text
}

/// The cause in words. New dependencies between locks are named, since the cycle that they close may be long.
fn headline(v: &Verdict<'_>, cause: &Cause) -> String {
    if let Some(quirk) = cause.quirk {
        return brings(quirk);
    }
    let title = case(v, cause).map_or("", |c| c.found.finding.title.trim_start_matches("percuss: "));
    match edges(&cause.parts).join(", ").as_str() {
        "" => title.to_owned(),
        parts => format!("{title} (new: {parts})"),
    }
}

fn brings(quirk: Quirk) -> String {
    // A bug has a number; the other quirks are designs that percuss knows.
    let back = quirk.name().starts_with('B');
    let verb = if back { "the change brings back" } else { "the change brings" };
    format!("{verb} {}: {}", quirk.name(), quirk.summary())
}

/// New dependencies and usages in words. A dependency of several kinds is named once.
pub(super) fn edges(parts: &[Part]) -> Vec<String> {
    let word = |part: &Part| match part {
        Part::Edge(from, to, _) => format!("{from} -> {to}"),
        Part::Use(class, usage) => format!("{class} {{{}}}", usage.name()),
    };
    let mut words: Vec<String> = parts.iter().map(word).collect();
    words.dedup();
    words
}

/// A page for each cause.
pub(super) fn pages(v: &Verdict<'_>, width: usize) -> String {
    let n = v.causes.len();
    v.causes.iter().enumerate().map(|(i, cause)| "\n".to_owned() + &page(v, cause, (i + 1, n), width)).collect()
}

fn page(v: &Verdict<'_>, cause: &Cause, (i, n): (usize, usize), width: usize) -> String {
    let bar = "=".repeat(width.min(72));
    let mut out = format!("{}\n", bar.red());
    let label = format!("NEW {i}/{n}  ");
    out += &wrap(&label.red().bold().to_string(), label.len(), &headline(v, cause), width);
    if let Some(quirk) = cause.quirk {
        out += &of_quirk(quirk, width);
    }
    if let Some(case) = case(v, cause) {
        out += &of_case(v, cause, case, width);
    }
    out += &follow(v, cause, width);
    out
}

/// The quirk's story, and the program that tells the two images apart.
fn of_quirk(quirk: Quirk, width: usize) -> String {
    let mut out = wrap("story    ", 9, quirk.story(), width);
    if let Some(fix) = quirk.fix() {
        out += &wrap("fixed by ", 9, &fix.to_string(), width);
    }
    // The comments of the program say what to look at.
    let comments: Vec<&str> = probe_text(quirk).lines().filter_map(|l| l.strip_prefix("# ")).collect();
    out +=
        &wrap("shown by ", 9, comments.join(" ").trim_start_matches("SPDX-License-Identifier: GPL-2.0-only "), width);
    program(&mut out, &probe_program(quirk), "", None, width);
    out
}

fn of_case(v: &Verdict<'_>, cause: &Cause, case: &Case, width: usize) -> String {
    let f = &case.found.finding;
    let seen = match &case.found.composed {
        Some(composed) => format!("no program alone, but in {} together", together(composed, v.seed)),
        None => format!("{}, first {}", plural(cause.programs, "program"), origin(case.found.index, v.seed)),
    };
    let mut out = String::new();
    if cause.quirk.is_some() {
        out += &wrap("finding  ", 9, &f.title, width);
    }
    out += &wrap("oracle   ", 9, f.oracle.name(), width);
    if let Some(place) = &cause.place {
        out += &wrap("at       ", 9, place, width);
    }
    out += &wrap("seen in  ", 9, &seen, width);
    out += &report(&f.detail, width);
    program(&mut out, &case.program, "", Some(case), width);
    out
}

/// Findings that show only together with the cause.
fn follow(v: &Verdict<'_>, cause: &Cause, width: usize) -> String {
    let mut titles: Vec<&str> =
        cause.follow.iter().map(|at| v.cases[*at].found.finding.title.trim_start_matches("percuss: ")).collect();
    titles.dedup();
    if titles.is_empty() {
        return String::new();
    }
    let verb = if titles.len() == 1 { "follows" } else { "follow" };
    let mut out = format!("{} that {verb}\n", plural(titles.len() as u64, "finding"));
    for title in titles.iter().take(FOLLOWING) {
        out += &wrap("  ", 4, title, width);
    }
    if titles.len() > FOLLOWING {
        let _ = writeln!(out, "  and {} more: see --format json", titles.len() - FOLLOWING);
    }
    out
}
