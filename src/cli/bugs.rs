// SPDX-License-Identifier: GPL-2.0-only
//! `percuss bugs`: puts known bugs into a tree one by one, and measures how soon the oracles find them.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use percuss::campaign::Progress;
use percuss::experiments::detection::{self, Plan, Row};
use percuss::image::{ImageError, ImageSpec};
use percuss::report;

use super::args::{BugsArgs, BugsFormat};
use super::program::this_program;
use super::{CliError, Exit, interrupt, output, verdict};

/// Runs the searches and prints the table. A bug that is not found, or does not build, is what it fails for: the exit
/// code is then 1. A benchmark that is interrupted has no result, and exits with 2.
///
/// # Errors
/// There is no such bug, or the tree is not available.
pub fn run(args: &BugsArgs) -> Result<Exit, CliError> {
    let bugs = detection::select(&args.names)?;
    let spec = ImageSpec {
        tree: args.tree.clone(),
        config: args.config.parse().map_err(ImageError::from)?,
        program: Some(this_program()?),
        ..ImageSpec::default()
    };
    let plan = Plan {
        spec,
        seeds: args.seeds,
        limit: args.limit,
        jobs: verdict::jobs(args.jobs),
        oracles: verdict::oracles(&args.without),
        worker: None,
    };
    let progress = Arc::new(Progress::default());
    interrupt::catch(progress.clone())?;
    // Drawn on standard error, so the table can be redirected.
    let bar = bar(bugs.len() as u64);
    let done = |row: &Row| {
        bar.inc(1);
        bar.set_message(row.bug.name.clone());
        // A log without a bar gets a line for each bug, but output for machines stays alone.
        if bar.is_hidden() && args.format == BugsFormat::Human {
            output::tell(&report::detection_line(row));
        }
    };
    let bench = detection::run(&plan, bugs, &progress, &done)?;
    bar.finish_and_clear();
    output::print(&match args.format {
        BugsFormat::Json => report::detection_json(&bench) + "\n",
        BugsFormat::Human => report::detection(&bench, output::width()),
        BugsFormat::Markdown => report::detection_markdown(&bench),
    })?;
    let summary = bench.summary();
    Ok(match progress.stopped() {
        // Stopped early: bugs that were not reached are not missed ones.
        true => Exit::Error,
        false if summary.found < summary.counted || summary.not_built > 0 => Exit::Findings,
        false => Exit::Clean,
    })
}

/// A bar on a terminal; elsewhere lines say what is done.
fn bar(bugs: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} bugs, {elapsed}, last {msg}");
    let bar = ProgressBar::new(bugs).with_style(style.expect("the template is tested by use"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
