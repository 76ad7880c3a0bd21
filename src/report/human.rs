// SPDX-License-Identifier: GPL-2.0-only
//! Verdicts for people. Colour codes are always written here, and stripped by the writer when the output is no
//! terminal: widths are therefore given apart from text that may hold such codes.

use std::fmt::Write;

use owo_colors::OwoColorize;

use super::geometry::geometry;
use super::gone::gone;
use super::layout::{count, plural, wrap, wrap_items};
use super::{causes, coverage, differences, known, without_finding};
use percuss_engine::campaign::{Case, SeriesStep, Standing, Verdict};
use percuss_engine::image::Image;
use percuss_engine::judge::{Found, JudgeBy};
use percuss_kernel::{Quirk, Quirks};
use percuss_oracle::OracleKind;
use percuss_source::patch::Applied;

/// The verdict of a check, at most `width` characters wide where words allow it: first what it comes to, then the
/// causes, then what is known. `verbose` adds what the programs were made of and every finding of known bugs.
pub fn human(v: &Verdict<'_>, verbose: bool, width: usize) -> String {
    let mut out = summary(v, width);
    out += &heading(v.image, width);
    out += &v.coverage().map_or_else(String::new, |covered| coverage(&covered, width));
    if verbose {
        out += &geometry(v, width);
    }
    out += &causes::index(v, width);
    out += &differences::list(v, width);
    out.push('\n');
    out += &table(v);
    if verbose {
        out.push('\n');
        out += &hints(v, width);
    }
    out += &known::known(v, verbose, width);
    out += &causes::pages(v, width);
    out
}

/// The verdict in a line, and what makes it weaker than it looks.
fn summary(v: &Verdict<'_>, width: usize) -> String {
    let known = format!("{} known", v.count_known());
    let nothing = without_finding(v.coverage().as_ref(), "nothing new");
    let length = nothing.len();
    let mut out = match v.causes.len() {
        0 if v.differences.is_empty() => {
            wrap(&nothing.green().bold().to_string(), length, &format!(", {known}"), width)
        }
        0 => {
            let text = format!(
                ", {known}; breaks no rule, but does {} otherwise",
                plural(v.differences.len() as u64, "thing")
            );
            wrap(&nothing.green().bold().to_string(), length, &text, width)
        }
        n => {
            let first = plural(n as u64, "cause");
            let text = format!(", {}, {known}", plural(v.count_new() as u64, "new finding"));
            wrap(&first.red().bold().to_string(), first.len(), &text, width)
        }
    };
    out += &gone(v, width);
    if v.interrupted {
        let _ = writeln!(out, "{}", "interrupted: this is what was run until then".yellow());
    }
    out.push('\n');
    out
}

/// What was compiled: tree, patches, hashes of the two allocator files, and quirks. Every report begins with it, since
/// a verdict means nothing without the exact sources it holds for.
pub fn heading(image: &Image, width: usize) -> String {
    let t = &image.tree;
    let text = format!("{} ({}, {}), config {}", t.name, t.version, t.origin, image.config.name());
    let mut out = wrap(&format!("{}    ", "tree".bold()), 8, &text, width);
    for name in &image.applied {
        out += &wrap("  with  ", 8, name, width);
        if let Some(patch) = image.patches.iter().find(|patch| patch.name == *name) {
            out += &patched(patch, width);
        }
    }
    // Only the two files that patches are mostly for, and the first quarter of the hash: `percuss tree` prints all.
    for (path, hash) in image.files.iter().filter(|(p, _)| p == "mm/percpu.c" || p == "mm/percpu-vm.c") {
        let _ = writeln!(out, "        {path:<14} sha256 {}", &hash[..16]);
    }
    out += &wrap(&format!("{}  ", "quirks".bold()), 8, &image.quirks.to_string(), width);
    let names = |quirks: Vec<Quirk>| quirks.iter().map(|quirk| quirk.name()).collect::<Vec<_>>().join(" ");
    if !image.undecided.is_empty() {
        out += &wrap("        cannot be told: ", 24, &names(image.undecided.clone()), width);
    }
    if image.base.is_none() {
        out += &regained(image, width);
    }
    if let Some(base) = &image.base {
        let mut text = format!("{} ({})", base.tree.name, base.tree.version);
        base.applied.iter().for_each(|name| text += &format!(", {name}"));
        out += &wrap(&format!("{}  ", "before".bold()), 8, &text, width);
        for (word, quirks) in [("gone", image.lost()), ("brought", image.gained())] {
            if !quirks.is_empty() {
                out += &wrap(&format!("        {word}: "), 10 + word.len(), &names(quirks.iter().collect()), width);
            }
        }
    }
    out
}

/// Quirks that the newest tree of this line that percuss knows has not: a fix that is missing, or was undone.
fn regained(image: &Image, width: usize) -> String {
    let Some((line, known)) = Quirks::of_line(&image.tree.version) else { return String::new() };
    let more = image.quirks.but_not(known);
    // What cannot be told is not said to be there.
    let more: Vec<&str> = more.iter().filter(|q| !image.undecided.contains(q)).map(Quirk::name).collect();
    if more.is_empty() {
        return String::new();
    }
    let text = format!("{} (Debian's {line} has not)", more.join(" "));
    wrap(&format!("        {}  ", "more".yellow().bold()), 14, &text, width)
}

/// Which of a patch's files are compiled and which are ignored. A patch that changes no file that is compiled cannot
/// change a verdict, and the reader has to see that.
fn patched(patch: &Applied, width: usize) -> String {
    let mut out = String::new();
    if patch.title != patch.name && !patch.name.ends_with(&patch.title) {
        out += &wrap("        ", 8, &patch.title, width);
    }
    let compiled = if patch.changed.is_empty() { "nothing".to_owned() } else { patch.changed.join(", ") };
    out += &wrap("        compiled: ", 18, &compiled, width);
    if !patch.ignored.is_empty() {
        out += &wrap("        ignored:  ", 18, &patch.ignored.join(", "), width);
    }
    out
}

/// The heading of a check after one patch of a series: its position, the length of the series, and the patch's title.
/// Used by `percuss check --each`.
pub fn step(step: &SeriesStep) -> String {
    format!("{}", format!("patch {} of {}: {}", step.number, step.of, step.title).bold())
}

fn is_new(v: &Verdict<'_>, found: &Found) -> bool {
    v.cases.iter().any(|c| c.is_new() && c.found.finding.key() == found.finding.key())
}

fn is_known(v: &Verdict<'_>, found: &Found) -> bool {
    let known = |c: &&Case| matches!(c.standing, Standing::Known | Standing::Before);
    v.cases.iter().filter(known).any(|c| c.found.finding.key() == found.finding.key())
}

fn table(v: &Verdict<'_>) -> String {
    let mut out = String::new();
    let head = format!("{:<12} {:>10} {:>11} {:>13} {:>5} {:>6}", "programs", "run", "ops", "events", "new", "known");
    let _ = writeln!(out, "{}", head.bold());
    for (source, b) in [("corpus", &v.corpus), ("generated", &v.generated)] {
        let new = b.found.iter().filter(|f| is_new(v, f)).count() as u64;
        let sums = format!("{source:<12} {:>10} {:>11} {:>13}", count(b.programs), count(b.ops), count(b.events));
        let _ = writeln!(
            out,
            "{sums} {} {:>6}",
            alarm(new, 5),
            count(b.found.iter().filter(|f| is_known(v, f)).count() as u64)
        );
    }
    let g = &v.generated;
    // A campaign without generated programs may take no measurable time.
    let speed = g.programs as f64 / v.seconds.max(0.001);
    let tasks = if v.tasks > 1 { format!(", {} tasks or more", v.tasks) } else { String::new() };
    let _ = writeln!(out, "{:<12} seed {}{tasks}, {:.1} s, {speed:.0} programs/s", "", v.seed, v.seconds);
    // Shown only where they occur, as each of them weakens the verdict.
    for (n, what) in
        [(g.boot_failed, "refused by the first-chunk builder"), (g.hung, "did not end"), (g.not_run, "not run")]
    {
        if n > 0 {
            let _ = writeln!(out, "{:<12} {} {what}", "", plural(n, "program"));
        }
    }
    let _ = writeln!(out, "\n{}", format!("{:<12} {:>10} {:>25} {:>5}", "oracle", "seen in", "new", "known").bold());
    for oracle in OracleKind::all() {
        let oracle_name = oracle.name();
        let of: Vec<&Case> = v.cases.iter().filter(|c| c.found.finding.oracle == oracle).collect();
        // Off is not ok: an oracle that did not run says nothing.
        let off = oracle == OracleKind::Lockstep && v.judge == JudgeBy::Rules;
        if off || !v.oracles.has(oracle) {
            let _ = writeln!(out, "{oracle_name:<12} {:>10}", "off".dimmed());
            continue;
        }
        let new = of.iter().filter(|c| c.is_new()).count() as u64;
        let known = of.iter().filter(|c| matches!(c.standing, Standing::Known | Standing::Before)).count() as u64;
        let seen = of.iter().map(|c| c.found.count).sum();
        let ok = if of.is_empty() { format!("  {}", "ok".green()) } else { String::new() };
        let _ =
            writeln!(out, "{oracle_name:<12} {:>10} {:>19} {} {:>6}{ok}", count(seen), "", alarm(new, 5), count(known));
    }
    out
}

/// A right-aligned number that should be 0.
fn alarm(n: u64, width: usize) -> String {
    // Aligned before it is coloured: escape codes would count as width.
    let text = format!("{:>width$}", count(n));
    if n > 0 { text.red().bold().to_string() } else { text }
}

fn hints(v: &Verdict<'_>, width: usize) -> String {
    if !v.oracles.has(OracleKind::Lockstep) {
        return String::new();
    }
    // Hints are compared by lockstep only; without it there would be a row of zeros.
    let mut tally = v.generated.tally.clone();
    tally.merge(&v.corpus.tally);
    let mut by: Vec<_> = tally.by_quirk.iter().collect();
    by.sort_by_key(|(quirk, n)| (std::cmp::Reverse(**n), **quirk));
    let mut items: Vec<String> = by.into_iter().map(|(q, n)| format!("{q} {}", count(*n))).collect();
    items.push(match tally.unattributed {
        0 => "unattributed 0".to_owned(),
        n => format!("unattributed {}", count(n)),
    });
    wrap_items(&format!("{}  ", "hints below the truth, by quirk".bold()), 33, &items, width)
}
