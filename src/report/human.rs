// SPDX-License-Identifier: GPL-2.0-only
//! Reports for people. Colour codes are stripped by the writer when the output is no terminal.

use std::fmt::Write;

use owo_colors::OwoColorize;

use super::{Case, Verdict, fix};
use crate::campaign::Batch;
use crate::image::Image;
use crate::model::Quirks;

/// The verdict table of a check.
pub fn human(v: &Verdict<'_>) -> String {
    let mut out = String::new();
    heading(&mut out, v.image);
    let b = v.batch;
    let _ = writeln!(
        out,
        "programs {} (seed {}), {} ops, {} events in {:.1} s",
        b.programs, v.seed, b.ops, b.events, v.seconds
    );
    let _ = writeln!(out, "{}", hint_line(b));
    let _ = writeln!(out);
    for case in &v.cases {
        one(&mut out, case);
    }
    let verdict = match v.new() {
        0 => "nothing new".green().bold().to_string(),
        1 => "1 new finding".red().bold().to_string(),
        n => format!("{n} new findings").red().bold().to_string(),
    };
    let _ = writeln!(out, "{verdict}, {} known", v.known());
    out
}

/// What was compiled.
fn heading(out: &mut String, image: &Image) {
    let t = &image.tree;
    let _ =
        writeln!(out, "{} {} ({}, {}), config {}", "percuss".bold(), t.name, t.version, t.origin, image.config.name());
    for name in &image.applied {
        let _ = writeln!(out, "  with {name}");
    }
    for (path, hash) in image.files.iter().filter(|(p, _)| p == "mm/percpu.c" || p == "mm/percpu-vm.c") {
        let _ = writeln!(out, "  {path:<16} sha256 {}", &hash[..16]);
    }
    let _ = writeln!(out, "quirks {}", image.quirks);
    if !image.undecided.is_empty() {
        let _ = writeln!(out, "  undecided: {}", image.undecided.join(" "));
    }
}

fn hint_line(b: &Batch) -> String {
    let by: Vec<String> = b.tally.by_quirk.iter().map(|(q, n)| format!("{q} {n}")).collect();
    format!(
        "hints below the truth: {}, unattributed {}",
        if by.is_empty() { "none".to_owned() } else { by.join(", ") },
        b.tally.unattributed
    )
}

fn one(out: &mut String, case: &Case) {
    let f = &case.found.finding;
    let programs =
        if case.found.count == 1 { "1 program".to_owned() } else { format!("{} programs", case.found.count) };
    match &f.quirk {
        None => {
            let _ = writeln!(out, "{} {}", "NEW".red().bold(), f.title.bold());
        }
        Some(q) => {
            let _ = writeln!(out, "{} {} {}", "known".yellow(), q.bold(), f.title);
            if let Some(fix) = fix(q) {
                let _ = writeln!(out, "      fixed by \"{fix}\"");
            }
        }
    }
    let _ = writeln!(out, "      oracle {}, {programs}; {}", f.oracle.name(), f.detail);
    for line in case.program.to_string().lines() {
        let _ = writeln!(out, "      {}", format!("| {line}").dimmed());
    }
    let _ = writeln!(out);
}

/// Findings of one program.
pub fn findings(b: &Batch) -> String {
    let mut out = String::new();
    for f in &b.found {
        let f = &f.finding;
        let state = match &f.quirk {
            None => "NEW".red().bold().to_string(),
            Some(q) => format!("{} {q}", "known".yellow()),
        };
        let _ = writeln!(out, "{state} {}\n      oracle {}; {}", f.title, f.oracle.name(), f.detail);
    }
    if b.found.is_empty() {
        let _ = writeln!(out, "{}", "no finding".green());
    }
    out
}

/// Two event logs, one above the other where they differ.
pub fn side_by_side(image: &[String], model: &[String], differs: Option<usize>) -> String {
    let mut out = String::new();
    for i in 0..image.len().max(model.len()) {
        let (a, b) = (image.get(i), model.get(i));
        if a == b {
            let _ = writeln!(out, "    {}", a.map_or("", String::as_str));
            continue;
        }
        if differs == Some(i) {
            let _ = writeln!(out, "{}", "--- the streams part here".red());
        }
        let end = "(end)".to_owned();
        let _ = writeln!(out, "  C {}\n  M {}", a.unwrap_or(&end).red(), b.unwrap_or(&end).cyan());
    }
    out
}

/// What `percuss tree` prints.
pub fn tree(image: &Image) -> String {
    let mut out = String::new();
    heading(&mut out, image);
    let _ = writeln!(out, "\nfiles");
    for (path, hash) in &image.files {
        let _ = writeln!(out, "  {path:<22} {hash}");
    }
    let _ = writeln!(out, "\nquirks");
    for q in Quirks::ALL {
        let on = image.quirks.get(q.name) == Ok(true);
        let state = if on { "present".yellow().to_string() } else { "gone   ".green().to_string() };
        let _ = writeln!(out, "  {state} {:<22} {}", q.name, q.fix.unwrap_or("no fix known"));
    }
    let _ = writeln!(out, "\ncompiler {}\nfacts    {:?}", image.compiler.display(), image.facts);
    out
}
