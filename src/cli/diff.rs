// SPDX-License-Identifier: GPL-2.0-only
//! `percuss diff`

use percuss::campaign::{Oracles, compare};
use percuss::image::{Image, ImageSpec};
use percuss::program::{Generator, Program};
use percuss::report;
use percuss::scenario::ROWS;

use super::args::{DiffArgs, Format};
use super::{CliError, EXIT_CLEAN, output};

/// Runs the verb. Changes are no failure: a patch is there to change something.
///
/// # Errors
/// There is nothing to compare with, or an image cannot be had.
pub fn run(args: &DiffArgs) -> Result<u8, CliError> {
    let spec = args.image.spec()?;
    if spec.patches.is_empty() && spec.variant.is_none() && spec.edits.is_empty() {
        return Err(CliError::Input("nothing to compare with: give --patch, --variant or --edit".to_owned()));
    }
    let plain = ImageSpec { patches: Vec::new(), variant: None, edits: Vec::new(), ..spec.clone() };
    let (before, after) = (Image::build(&plain)?, Image::build(&spec)?);
    output::notes(&after.notes);
    let oracles = Oracles { lockstep: false, ..Oracles::default() };
    let mut generator = Generator::new(args.seed);
    let texts = ROWS.iter().flat_map(|row| row.programs).filter_map(|(_, text)| text.parse::<Program>().ok());
    let programs: Vec<Program> = texts.chain((0..args.programs).map(|i| generator.program(i))).collect();
    let changes = compare(&before.setup(args.seed, oracles), &after.setup(args.seed, oracles), &programs)?;
    let text = match args.format {
        Format::Json => report::changes_json(&before, &after, &changes) + "\n",
        Format::Human => report::changes(&before, &after, &changes, output::width()),
    };
    output::print(&text)?;
    Ok(EXIT_CLEAN)
}
