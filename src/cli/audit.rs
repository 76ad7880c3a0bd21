// SPDX-License-Identifier: GPL-2.0-only
//! `percuss audit`: every backing allocation with the gfp masks, scopes and locks in force there. It answers which of
//! them may enter reclaim, and with what held.

use percuss::campaign::observe_all;
use percuss::experiments::scenario::{ROWS, Row};
use percuss::image::Image;
use percuss::judge::Oracles;
use percuss::judge::audit::{Audit, NOT_MODELLED};
use percuss::oracle::OracleKind;
use percuss::program::Generator;

use super::args::{AuditArgs, Format};
use super::{CliError, Exit, output};

/// Runs the scenarios and generated programs and prints the table of what they allocated. There is no verdict: the
/// exit code is 0 whatever is in it.
///
/// # Errors
/// The image cannot be built, no worker runs, or the output cannot be written.
pub fn run(args: &AuditArgs) -> Result<Exit, CliError> {
    let image = Image::build(&args.image.spec()?)?;
    output::notes(&image.notes);
    // Without lockstep, as the table is of what the image does; a divergence from the Model would only end programs
    // early.
    let setup = image.setup(args.seed, Oracles::without(OracleKind::Lockstep));
    let mut generator = Generator::new(args.seed);
    // Programs that break the rules of the allocator would list calls that no kernel makes.
    let scenarios = ROWS.iter().flat_map(Row::programs).map(|(_, program)| program).filter(|p| !p.unsafe_caller);
    let generated = (0..args.programs).map(|i| generator.program(i));
    let mut audit = Audit::default();
    observe_all(&setup, scenarios.chain(generated), |seen| {
        // A program that ended its worker has nothing to add, and the others still count.
        audit.merge(seen.map(|s| s.audit).unwrap_or_default());
    })?;
    if args.under_mutex {
        audit.rows.retain(|(row, _)| row.fs_under_mutex() || row.io_under_mutex());
    }
    let text = match args.format {
        Format::Json => audit.json(&image.tree.name, &image.applied) + "\n",
        Format::Human => format!("{}{NOT_MODELLED}\n", audit.text()),
    };
    output::print(&text)?;
    Ok(Exit::Clean)
}
