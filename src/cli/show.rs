// SPDX-License-Identifier: GPL-2.0-only
//! `percuss show`: a program in another form. Fuzzers store bytes and people read text; this goes both ways, and needs
//! no kernel tree.

use percuss::judge::ModelRun;
use percuss::judge::interleaving::Interleaving;
use percuss::model::{Facts, Quirks};
use percuss::program::Program;
use percuss::report;

use super::args::ShowArgs;
use super::input::read_program;
use super::{CliError, Exit, output};

/// Prints the program as text or as an interleaving, or writes its byte form to a file.
///
/// # Errors
/// The file is no program, or the byte form cannot be written.
pub fn run(args: &ShowArgs) -> Result<Exit, CliError> {
    let program = read_program(&args.file)?;
    match &args.to_bytes {
        Some(path) => std::fs::write(path, program.encode()).map_err(|error| CliError::File {
            what: "write",
            path: path.clone(),
            error,
        })?,
        // Clap lets only one of the two options through.
        None if args.interleaving => output::print(&interleaving(&program)?)?,
        None => output::print(&program.to_string())?,
    }
    Ok(Exit::Clean)
}

/// What happens on the Model of 6.12, for which no tree is needed.
fn interleaving(program: &Program) -> std::io::Result<String> {
    // Quirks of the default tree, so that it is what `replay` shows without options.
    let mut run = ModelRun::new(Facts::default(), Quirks::v6_12())?;
    run.run(program)?;
    let world = run.session.shared().host.world();
    Ok(report::interleaving(&Interleaving::of(program, world.events()), None, output::width()))
}
