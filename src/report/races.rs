// SPDX-License-Identifier: GPL-2.0-only
//! Data races that a thread sanitizer reported during `percuss soak --races`, for people and machines. Races that are
//! known have a name and a story; only others count as findings.

use std::fmt::Write;

use owo_colors::OwoColorize;
use serde_json::json;

use super::SCHEMA;
use super::layout::{plural, wrap};
use percuss_engine::experiments::soak::Hunted;
use percuss_engine::experiments::soak::races::Sorted;

/// What ran, the races that have a name, and those that have none with the sanitizer's report in full: the stacks in
/// it are what a reader needs to judge the race.
pub fn races(h: &Hunted, s: &Sorted, width: usize) -> String {
    let mut out = format!("{}  {}, {}\n\n", "soak".bold(), plural(h.epochs, "epoch"), plural(h.ops, "op"));
    for (name, (count, named)) in &s.known {
        let first = format!("{} {}  ", "known".yellow(), name.bold());
        let text = format!("{}: {} ({})", named.variable, named.story, plural(*count, "report"));
        out += &wrap(&first, 8 + name.len(), &text, width);
    }
    for (race, count) in &s.new {
        let _ =
            writeln!(out, "{}  {} ({})\n{}\n", "NEW".red().bold(), race.title(), plural(*count, "report"), race.text);
    }
    // No sanitizer reported these: what ended the epoch is the finding.
    for (title, count) in &h.broken {
        let _ = writeln!(out, "{}  {title} ({})", "NEW".red().bold(), plural(*count, "epoch"));
    }
    // No race, so it is only a note. When every epoch ended so, nothing was looked at, and that is a finding.
    if h.stopped > 0 {
        let what = format!(
            "{} ended early: tasks waited for each other, as a soak without a sanitizer shows",
            plural(h.stopped, "epoch")
        );
        let first = if h.all_stopped() { format!("{}  ", "NEW".red().bold()) } else { String::new() };
        out += &wrap(&first, 0, &what, width);
    }
    let verdict = match s.new.len() + h.new_findings() {
        0 => "nothing new".green().bold().to_string(),
        n => plural(n as u64, "new finding").red().bold().to_string(),
    };
    let _ = writeln!(out, "{verdict}, {} known", s.known.len());
    out
}

/// The same as one object on one line, with the shape of a check's verdict: `findings`, and a `summary` of new and
/// known ones. A known race has its name in `known`, all others have null there.
pub fn races_json(h: &Hunted, s: &Sorted) -> String {
    let known = s.known.iter().map(|(name, (count, named))| {
        json!({"title": format!("data race on {}", named.variable), "known": name, "name": named.story, "count": count})
    });
    let new = s.new.iter().map(|(race, count)| {
        json!({"title": race.title(), "known": null, "name": null, "count": count, "report": race.text})
    });
    let broken =
        h.broken.iter().map(|(title, count)| json!({"title": title, "known": null, "name": null, "count": count}));
    json!({
        "schema": SCHEMA,
        "epochs": h.epochs,
        "ops": h.ops,
        "stopped": h.stopped,
        "findings": known.chain(new).chain(broken).collect::<Vec<_>>(),
        "summary": {"new": s.new.len() + h.new_findings(), "known": s.known.len()},
    })
    .to_string()
}
