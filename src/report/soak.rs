// SPDX-License-Identifier: GPL-2.0-only
//! The result of a soak, for people and machines: how much real threads did, how well it could be replayed on the
//! image and the Model, how much memory it took, and what was found.

use std::fmt::Write;
use std::io;
use std::path::Path;

use owo_colors::OwoColorize;
use serde_json::json;

use super::json::{finding, image, patch_files};
use super::layout::{count, plural, wrap};
use super::{SCHEMA, heading};
use percuss_engine::campaign::Case;
use percuss_engine::experiments::soak::Totals;
use percuss_engine::image::Image;

/// A soak that has ended, by its limit or by a signal, as both forms of its report need it. Its totals include those
/// of the soaks it resumed.
#[derive(Debug)]
pub struct Soaked<'a> {
    /// The image that the threads called, and on which their epochs were replayed.
    pub image: &'a Image,
    /// Counters of all epochs, as the state file has them.
    pub totals: &'a Totals,
    /// Findings, known and new, with their programs; the index of each is its first epoch.
    pub cases: Vec<Case>,
    /// It was stopped by a signal before its limit; the state file allows it to be resumed.
    pub interrupted: bool,
}

impl Soaked<'_> {
    /// Number of findings that no known quirk explains. It decides the verdict and the exit code.
    pub fn count_new(&self) -> usize {
        self.cases.iter().filter(|c| c.is_new()).count()
    }
}

/// Writes the programs of new findings into `dir`, as [`super::save`] does for a check, and records the paths for the
/// report. The first line of each names the seed and the epoch.
///
/// # Errors
/// See [`super::save`].
pub fn soak_save(s: &mut Soaked<'_>, dir: &Path) -> io::Result<()> {
    let mut cases = std::mem::take(&mut s.cases);
    let seed = s.totals.seed;
    let saved = super::save::save_cases(&mut cases, dir, s.image, |c| format!("seed {seed}, epoch {}", c.found.index));
    s.cases = cases;
    saved
}

/// The summary for people. Of the two rates, the first counts all the time, the second only that in which threads ran
/// freely, as replays take most of the time of a soak.
pub fn soak(s: &Soaked<'_>, width: usize) -> String {
    let t = s.totals;
    let mut out = heading(s.image, width);
    let recipe = t.recipe;
    // A soak that is stopped at once has run for no time.
    let seconds = t.seconds.1.max(0.001);
    let each = format!("about {} ops each, seed {}, {seconds:.0} s", recipe.ops, t.seed);
    let _ = writeln!(out, "\n{}  {}, {}, {each}", "soak".bold(), plural(recipe.threads as u64, "thread"), epochs(t));
    let rates = format!(
        "{} ops, {} events, {} turns; {:.0} ops/s, {:.0} ops/s while threads run freely",
        count(t.batch.ops),
        count(t.batch.events),
        count(t.turns),
        t.batch.ops as f64 / seconds,
        t.batch.ops as f64 / t.seconds.0.max(0.001),
    );
    out += &wrap("      ", 6, &rates, width);
    let replays = format!(
        "every event as in the free run, on the image and the Model: {}; up to a look without pcpu_lock: {}; different: {}; not replayed: {}",
        count(t.equal),
        count(t.window),
        count(t.differ),
        count(t.not_replayed)
    );
    out += &wrap(&format!("{}  ", "replays".bold()), 9, &replays, width);
    let mib = |bytes: u64| bytes >> 20;
    // The first value is taken after some epochs, so a difference to the last one is growth, not start-up.
    let (first, last, most) = t.memory;
    let _ = writeln!(out, "{}  {} MiB, {} at first, {} at most", "memory".bold(), mib(last), mib(first), mib(most));
    out.push('\n');
    for (case, quirk) in s.cases.iter().filter_map(|case| Some((case, case.quirk()?))) {
        let first = format!("{} {}  ", "known".yellow(), quirk.bold());
        let seen = plural(case.found.count, "epoch");
        let text = format!("{} (in {seen}: {})", case.found.finding.title, quirk.summary());
        out += &wrap(&first, 8 + quirk.name().len(), &text, width);
    }
    // New findings come last: on a terminal, that is what stays in view.
    for case in s.cases.iter().filter(|c| c.is_new()) {
        let f = &case.found.finding;
        out += &wrap(&format!("{}  ", "NEW".red().bold()), 5, &f.title, width);
        let seen = format!("{}, first epoch {}", plural(case.found.count, "epoch"), case.found.index);
        let _ = writeln!(out, "     oracle {}, seen in {seen}", f.oracle.name());
        // A divergence of many threads may fill pages; the file has all of it.
        for line in f.detail.to_string().lines().take(40) {
            let _ = writeln!(out, "     {line}");
        }
        if let Some(file) = &case.file {
            let _ = writeln!(out, "     percuss replay {}", file.display());
        }
    }
    if s.interrupted {
        let _ = writeln!(out, "{}", "interrupted: --resume goes on".yellow());
    }
    let new = s.count_new();
    let verdict = match new {
        0 => "nothing new".green().bold().to_string(),
        n => plural(n as u64, "new finding").red().bold().to_string(),
    };
    let _ = writeln!(out, "{verdict}, {} known", s.cases.len() - new);
    out
}

fn epochs(t: &Totals) -> String {
    plural(t.batch.programs, "epoch")
}

/// The same as one object on one line; docs/json.md describes it. Memory is in bytes here, times are in seconds.
pub fn soak_json(s: &Soaked<'_>) -> String {
    let t = s.totals;
    let new = s.count_new();
    json!({
        "schema": SCHEMA,
        "tree": image(s.image),
        "patches": s.image.applied,
        "patch_files": patch_files(s.image),
        "config": s.image.config.name(),
        "quirks": s.image.quirks,
        "seed": t.seed,
        "threads": t.recipe.threads,
        "epochs": t.batch.programs,
        "ops": t.batch.ops,
        "events": t.batch.events,
        "turns": t.turns,
        "replays": {"equal": t.equal, "b14_window": t.window, "different": t.differ, "not_replayed": t.not_replayed},
        "memory": {"first": t.memory.0, "last": t.memory.1, "most": t.memory.2},
        "interrupted": s.interrupted,
        "seconds": t.seconds.1,
        "seconds_free": t.seconds.0,
        "findings": s.cases.iter().map(|c| finding(&c.found, c.standing, &c.program, None)).collect::<Vec<_>>(),
        "summary": {"new": new, "known": s.cases.len() - new},
    })
    .to_string()
}
