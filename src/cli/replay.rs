// SPDX-License-Identifier: GPL-2.0-only
//! `percuss replay`: runs one program on an image and the Model, and shows what became of each op and what each oracle
//! reports. This is how a finding that was saved as a file is looked at again.

use percuss::image::Image;
use percuss::judge::{Batch, Found, Oracles};
use percuss::oracle::OracleKind;
use percuss::program::Program;
use percuss::worker::{Logs, Lost};
use percuss::{campaign, report};

use super::args::{Format, Listed, ReplayArgs};
use super::input::read_program;
use super::{CliError, Exit, output};

const CONTEXT: usize = 12;

/// Runs the program and prints what became of its ops and its findings, with the events around a divergence and the
/// interleaving of its tasks where there is one. A program of an unsafe caller never fails: it breaks the rules on
/// purpose.
///
/// # Errors
/// The program or the image is not available, or the output cannot be written.
pub fn run(args: &ReplayArgs) -> Result<Exit, CliError> {
    let program = read_program(&args.file)?;
    let image = Image::build(&args.image.spec()?.calling(&program))?;
    output::notes(&image.notes);
    let setup = image.setup(1, Oracles::default());
    let batch = campaign::one(&setup, &program)?;
    // All of the log; half of the range, so that adding a position does not overflow.
    let context = if args.events { usize::MAX / 2 } else { CONTEXT };
    // Its events went with the worker that a program ended.
    let logs = unless_ended(campaign::logs(&setup, &program, context))?;
    let stats = if args.stats { unless_ended(campaign::stats(&setup, &program))? } else { None };
    if args.format == Format::Json {
        let story = logs.as_ref().map(|l| &l.story[..]);
        output::print(&(report::replay_json(&image, &program, &batch, story, stats.as_ref()) + "\n"))?;
    } else {
        let width = output::width();
        let all = args.ops != Listed::Some;
        let mut text = format!("{}\n{}\n", report::heading(&image, width), report::replayed(&program, all));
        text += &match &logs {
            Some(logs) => happened(args, &program, &batch, logs, width),
            None => "no events: the program ends its process\n\n".to_owned(),
        };
        if let Some(stats) = &stats {
            text += &report::stats(stats, width);
        }
        text += &report::findings(&program, &batch, width);
        output::print(&text)?;
    }
    let new = batch.found.iter().any(|f| f.finding.quirk.is_none());
    Ok(if new && !program.unsafe_caller { Exit::Findings } else { Exit::Clean })
}

/// None for a program that ends its process.
fn unless_ended<T>(answer: Result<T, Lost>) -> Result<Option<T>, Lost> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Lost::Ended(_)) => Ok(None),
        Err(e) => Err(e),
    }
}

/// The run in up to three views, each with an empty line after it: ops, events, tasks.
fn happened(args: &ReplayArgs, program: &Program, batch: &Batch, logs: &Logs, width: usize) -> String {
    let mut text = String::new();
    if args.ops != Listed::None {
        let cpus = program.boot.nr_cpus();
        text += &(report::ops(&logs.story, cpus, args.ops == Listed::All, width) + "\n");
    }
    if args.events || batch.found.iter().any(|f| f.finding.oracle == OracleKind::Lockstep) {
        text += &(report::log(program, logs) + "\n");
    }
    // One task has no interleaving, and without a finding nothing in it is to be explained.
    if program.tasks.len() > 1 && !batch.found.is_empty() {
        let op = first(batch).map(|f| f.finding.op);
        text += &(report::interleaving(&logs.interleaving, op, width) + "\n");
    }
    text
}

fn first(batch: &Batch) -> Option<&Found> {
    batch.found.iter().min_by_key(|f| f.finding.quirk.is_some())
}
