// SPDX-License-Identifier: GPL-2.0-only
//! Verdicts for people. Colour codes are always written here, and stripped by the writer when the output is no
//! terminal: widths are therefore given apart from text that may hold such codes.

use std::fmt::Write;

use owo_colors::OwoColorize;

use super::layout::{count, plural, share, wrap, wrap_items};
use super::shares::shares;
use super::{origin, together};
use percuss_engine::campaign::{Case, SeriesStep, Verdict};
use percuss_engine::image::Image;
use percuss_engine::judge::{Batch, Found, probe_program};
use percuss_kernel::Quirk;
use percuss_oracle::{Detail, OracleKind};
use percuss_program::Program;
use percuss_source::patch::Applied;

const PROGRAM_LINES: usize = 25;
/// A known finding's program is shown up to this number of lines: it is a reminder, and new findings need the space.
const KNOWN_LINES: usize = 10;

/// The verdict of a check, at most `width` characters wide where words allow it. Known findings come first and new
/// ones last, so that on a terminal the end of the output, which is what one sees, holds what needs attention.
pub fn human(v: &Verdict<'_>, width: usize) -> String {
    let mut out = heading(v.image, width);
    out += &geometry(v, width);
    out.push('\n');
    out += &table(v);
    out.push('\n');
    out += &hints(v, width);
    // Collected first, as each is numbered with how many there are.
    let new: Vec<&Case> = v.cases.iter().filter(|c| c.quirk().is_none()).collect();
    out += &known(v, width);
    for (i, case) in new.iter().enumerate() {
        out.push('\n');
        out += &new_finding(v, case, (i + 1, new.len()), width);
    }
    out.push('\n');
    if v.interrupted {
        let _ = writeln!(out, "{}", "interrupted: this is what was run until then".yellow());
    }
    let verdict = match new.len() {
        0 => "nothing new".green().bold().to_string(),
        n => plural(n as u64, "new finding").red().bold().to_string(),
    };
    let _ = writeln!(out, "{verdict}, {} known", v.count_known());
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
    if !image.undecided.is_empty() {
        out += &wrap(
            "        undecided: ",
            19,
            &image.undecided.iter().map(|quirk| quirk.name()).collect::<Vec<_>>().join(" "),
            width,
        );
    }
    out
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

/// Every value of every axis with its share. A value that was generated too seldom is marked with the share it should
/// have: a verdict says little about geometries that hardly occurred.
fn geometry(v: &Verdict<'_>, width: usize) -> String {
    let shares = shares(v.seed, &v.generated);
    // With `--programs 0` only the corpus was run, whose geometries were not generated.
    if shares.programs() == 0 {
        return String::new();
    }
    let missing = shares.missing();
    let mut out = String::new();
    let rows: Vec<_> = shares.rows().collect();
    let _ = writeln!(out, "\n{}  share of the generated programs", "geometry".bold());
    for axis in rows.chunk_by(|a, b| a.0 == b.0) {
        let items: Vec<String> = axis
            .iter()
            .map(|(axis, value, n, least)| {
                let short = missing.contains(&(axis, value));
                let note = if short { format!(" (too few: {})", percent(*least)) } else { String::new() };
                format!("{value} {}{note}", rounded(*n, shares.programs()))
            })
            .collect();
        out += &wrap_items(&format!("  {:<13}  ", axis[0].0), 17, &items, width);
    }
    out
}

fn percent(permille: u32) -> String {
    format!("{}.{} %", permille / 10, permille % 10)
}

/// Whole percents, with a tenth where there would be nothing else.
fn rounded(part: u64, whole: u64) -> String {
    match (part * 100 + whole / 2) / whole.max(1) {
        0 => share(part, whole),
        n => format!("{n} %"),
    }
}

fn table(v: &Verdict<'_>) -> String {
    let mut out = String::new();
    let head = format!("{:<12} {:>10} {:>11} {:>13} {:>5} {:>6}", "programs", "run", "ops", "events", "new", "known");
    let _ = writeln!(out, "{}", head.bold());
    for (source, b) in [("corpus", &v.corpus), ("generated", &v.generated)] {
        let new = b.found.iter().filter(|f| f.finding.quirk.is_none()).count() as u64;
        let sums = format!("{source:<12} {:>10} {:>11} {:>13}", count(b.programs), count(b.ops), count(b.events));
        let _ = writeln!(out, "{sums} {} {:>6}", alarm(new, 5), count(b.found.len() as u64 - new));
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
        if !v.oracles.has(oracle) {
            let _ = writeln!(out, "{oracle_name:<12} {:>10}", "off".dimmed());
            continue;
        }
        let new = of.iter().filter(|c| c.quirk().is_none()).count() as u64;
        let known = of.len() as u64 - new;
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

/// Known findings, one group for each quirk, the most frequent first, each group with a program short enough to read:
/// the smallest that was found, else the one that probes for the quirk.
fn known(v: &Verdict<'_>, width: usize) -> String {
    let mut groups: Vec<(Quirk, Vec<&Case>)> = Vec::new();
    for case in &v.cases {
        let Some(quirk) = case.quirk() else { continue };
        match groups.iter_mut().find(|(q, _)| *q == quirk) {
            Some((_, cases)) => cases.push(case),
            None => groups.push((quirk, vec![case])),
        }
    }
    let mut out = String::new();
    for (quirk, mut cases) in groups {
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

fn new_finding(v: &Verdict<'_>, case: &Case, (i, n): (usize, usize), width: usize) -> String {
    let f = &case.found.finding;
    let bar = "=".repeat(width.min(72));
    let mut out = format!("{}\n", bar.red());
    let label = format!("NEW {i}/{n}  ");
    out += &wrap(&label.red().bold().to_string(), label.len(), &f.title, width);
    let seen = match &case.found.composed {
        Some(composed) => format!("no program alone, but in {} together", together(composed, v.seed)),
        None => format!("{}, first {}", plural(case.found.count, "program"), origin(case.found.index, v.seed)),
    };
    out += &wrap("oracle   ", 9, f.oracle.name(), width);
    out += &wrap("seen in  ", 9, &seen, width);
    out += &report(&f.detail, width);
    program(&mut out, &case.program, "", Some(case), width);
    out
}

fn report(detail: &Detail, width: usize) -> String {
    match detail {
        Detail::Parting { event, left: image, right: model } => {
            let mut out = format!("report   event {event}\n");
            out += &wrap(&format!("      {}  ", "C".red()), 9, &super::events::plain(image), width);
            out += &wrap(&format!("      {}  ", "M".cyan()), 9, &super::events::plain(model), width);
            out
        }
        // The kernel's reports keep their lines.
        Detail::Text(text) if text.contains('\n') => format!("report\n{}\n", indent(text)),
        Detail::Text(text) => wrap("report   ", 9, text, width),
    }
}

fn indent(text: &str) -> String {
    text.trim_end().lines().map(|line| format!("  {line}").trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn program(out: &mut String, program: &Program, margin: &str, case: Option<&Case>, width: usize) {
    let text = program.to_string();
    let lines: Vec<&str> = text.lines().collect();
    // One line more is shown rather than replaced by a line that says it is missing.
    let shown = if lines.len() > PROGRAM_LINES + 1 { PROGRAM_LINES } else { lines.len() };
    for line in &lines[..shown] {
        let wrapped = if line.starts_with("boot ") || line.starts_with("schedule ") {
            wrap("", 5, line, width.saturating_sub(margin.len() + 2))
        } else {
            format!("{line}\n")
        };
        for line in wrapped.lines() {
            let _ = writeln!(out, "{margin}{}", format!("| {line}").dimmed());
        }
    }
    let file = case.and_then(|c| c.file.as_ref());
    let more = lines.len() - shown;
    match file {
        Some(f) if more > 0 => writeln!(out, "{margin}({more} more lines, see {})", f.display()),
        Some(f) => writeln!(out, "{margin}saved as {}", f.display()),
        None if more > 0 => writeln!(out, "{margin}({more} more lines)"),
        None => Ok(()),
    }
    .expect("a string takes everything");
}

/// Findings of one program, for `percuss replay`, with a verdict in the last line. A program of an unsafe caller
/// breaks the allocator's rules on purpose: its findings are shown, but not counted against the tree.
pub fn findings(p: &Program, b: &Batch, width: usize) -> String {
    let mut out = String::new();
    for Found { finding: f, .. } in &b.found {
        let label = match f.quirk {
            Some(q) => format!("known {q}  "),
            None if p.unsafe_caller => "caller error  ".to_owned(),
            None => "NEW  ".to_owned(),
        };
        // A caller error is what such a program is written to show, so it is no alarm.
        let coloured = if f.quirk.is_some() || p.unsafe_caller {
            label.yellow().to_string()
        } else {
            label.red().bold().to_string()
        };
        out += &wrap(&coloured, label.len(), &f.title, width);
        if let Some(quirk) = f.quirk {
            let fix = quirk.fix().map_or_else(|| "none known".to_owned(), |fix| fix.to_string());
            out += &wrap("quirk    ", 9, quirk.summary(), width);
            out += &wrap("fix      ", 9, &fix, width);
        }
        out += &wrap("oracle   ", 9, f.oracle.name(), width);
        out += &report(&f.detail, width);
        out.push('\n');
    }
    let new = b.found.iter().filter(|f| f.finding.quirk.is_none()).count();
    let _ = match (new, b.found.len() - new) {
        (0, 0) => writeln!(out, "{}", "no finding".green().bold()),
        (0, n) => writeln!(out, "{}, {n} known", "nothing new".green().bold()),
        (_, _) if p.unsafe_caller => {
            writeln!(out, "{}", "caller error: nothing is counted against the tree".yellow().bold())
        }
        (new, n) => writeln!(out, "{}, {n} known", plural(new as u64, "new finding").red().bold()),
    };
    out
}
