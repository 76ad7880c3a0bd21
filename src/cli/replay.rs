// SPDX-License-Identifier: GPL-2.0-only
//! `percuss replay`: runs one program on an image and the Model, and shows what each oracle reports. This is how a
//! finding that was saved as a file is looked at again.

use percuss::image::Image;
use percuss::judge::{Batch, Found, Oracles};
use percuss::oracle::OracleKind;
use percuss::worker::Lost;
use percuss::{campaign, report};

use super::args::{Format, ReplayArgs};
use super::input::read_program;
use super::{CliError, Exit, output};

const CONTEXT: usize = 12;

/// Runs the program and prints its findings, with the events around a divergence and the interleaving of its tasks
/// where there is one. A program of an unsafe caller never fails: it breaks the rules on purpose.
///
/// # Errors
/// The program or the image is not available, or the output cannot be written.
pub fn run(args: &ReplayArgs) -> Result<Exit, CliError> {
    let program = read_program(&args.file)?;
    let image = Image::build(&args.image.spec()?)?;
    output::notes(&image.notes);
    let setup = image.setup(1, Oracles::default());
    let batch = campaign::one(&setup, &program)?;
    if args.format == Format::Json {
        output::print(&(report::replay_json(&image, &program, &batch) + "\n"))?;
    } else {
        let width = output::width();
        let mut text = format!("{}\n{program}\n", report::heading(&image, width));
        let diverges = batch.found.iter().any(|f| f.finding.oracle == OracleKind::Lockstep);
        // One task has no interleaving, and without a finding nothing in it is to be explained.
        let interleaved = program.tasks.len() > 1 && !batch.found.is_empty();
        if args.events || diverges || interleaved {
            // All of the log; half of the range, so that adding a position does not overflow.
            let context = if args.events { usize::MAX / 2 } else { CONTEXT };
            match campaign::logs(&setup, &program, context) {
                Ok(logs) => {
                    if args.events || diverges {
                        text += &(report::log(&program, &logs) + "\n");
                    }
                    if interleaved {
                        let op = first(&batch).map(|f| f.finding.op);
                        text += &(report::interleaving(&logs.interleaving, op, width) + "\n");
                    }
                }
                // Its events went with the worker.
                Err(Lost::Ended(_)) => text += "no events: the program ends its process\n\n",
                Err(e) => return Err(e.into()),
            }
        }
        text += &report::findings(&program, &batch, width);
        output::print(&text)?;
    }
    let new = batch.found.iter().any(|f| f.finding.quirk.is_none());
    Ok(if new && !program.unsafe_caller { Exit::Findings } else { Exit::Clean })
}

fn first(batch: &Batch) -> Option<&Found> {
    batch.found.iter().min_by_key(|f| f.finding.quirk.is_some())
}
