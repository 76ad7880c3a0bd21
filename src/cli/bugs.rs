// SPDX-License-Identifier: GPL-2.0-only
//! `percuss bugs`

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use percuss::campaign::Progress;
use percuss::experiments::detection::{self, Plan, Row};
use percuss::image::{ImageError, ImageSpec};
use percuss::report;

use super::args::{BugsArgs, BugsFormat};
use super::{CliError, EXIT_CLEAN, EXIT_ERROR, EXIT_FINDINGS, check, interrupt, output, this_program};

/// Runs the verb. Not to find a bug is what it fails for.
///
/// # Errors
/// There is no such bug, or the tree cannot be had.
pub fn run(args: &BugsArgs) -> Result<u8, CliError> {
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
        jobs: check::jobs(args.jobs),
        oracles: check::oracles(&args.without),
        worker: None,
    };
    let progress = Arc::new(Progress::default());
    interrupt::catch(progress.clone())?;
    let bar = bar(bugs.len() as u64);
    let done = |row: &Row| {
        bar.inc(1);
        bar.set_message(row.bug.name.clone());
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
        true => EXIT_ERROR,
        false if summary.found < summary.counted || summary.not_built > 0 => EXIT_FINDINGS,
        false => EXIT_CLEAN,
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
