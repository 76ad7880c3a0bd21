// SPDX-License-Identifier: GPL-2.0-only
//! `percuss minimize`: makes a program small while it shows the same finding. Only what is needed for the finding is
//! left, which is often most of the explanation.

use percuss::campaign;
use percuss::image::Image;
use percuss::judge::{Like, Oracles};

use super::args::MinimizeArgs;
use super::input::read_program;
use super::{CliError, Exit, output};

/// Makes one finding of the program small. The small program goes to standard output, so that it can be redirected to
/// a file; what it shows goes to standard error.
///
/// # Errors
/// The program or the image is not available, or the program shows no such finding.
pub fn run(args: &MinimizeArgs) -> Result<Exit, CliError> {
    let program = read_program(&args.file)?;
    let image = Image::build(&args.image.spec()?.calling(&program))?;
    output::notes(&image.notes);
    // The seed does not matter: only this program is run, and smaller ones are cut out of it.
    let setup = image.setup(1, Oracles::default());
    let batch = campaign::one(&setup, &program)?;
    let wanted = |f: &&percuss::judge::Found| match &args.finding {
        None => true,
        Some(t) => f.finding.title.contains(t) || f.finding.quirk.is_some_and(|quirk| quirk.name() == t),
    };
    // New findings first: those are what one wants small.
    let found = batch.found.iter().filter(wanted).min_by_key(|f| f.finding.quirk.is_some());
    let Some(found) = found else {
        return Err(CliError::Input(format!(
            "{}: the program shows no such finding on this image",
            args.file.display()
        )));
    };
    let (small, tried) = campaign::minimize(&setup, &program, &Like::of(&found.finding), args.tries)?;
    let sizes = format!("{} ops of {}, {tried} programs tried", small.nr_ops(), program.nr_ops());
    // The title first, as it was in the report that was minimized.
    output::tell(&format!("{} ({sizes})", found.finding.title));
    output::print(&small.to_string())?;
    Ok(Exit::Clean)
}
