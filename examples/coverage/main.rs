// SPDX-License-Identifier: GPL-2.0-only
//! What `scripts/coverage` runs: `run DIR…` puts all programs of the corpora through the linked image and the Model,
//! `report FILE LISTS` judges what llvm-cov counted.

mod count;
mod judge;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use percuss::fuzz::Lockstep;
use percuss::judge::ModelRun;
use percuss::model::{Facts, Quirk, Quirks};
use percuss::program::Program;

type Fail = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let args: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let result = match args.split_first() {
        Some((verb, dirs)) if verb.as_os_str() == "run" && !dirs.is_empty() => run(dirs),
        Some((verb, [file, lists])) if verb.as_os_str() == "report" => judge::report(file, lists),
        _ => Err("usage: coverage run DIR… | coverage report FILE LISTS".into()),
    };
    result.unwrap_or_else(|e| {
        eprintln!("coverage: {e}");
        ExitCode::from(2)
    })
}

/// Runs every program on the linked image in lockstep with the Model, then on Models of other trees, which need no
/// image. Without the others the lines of quirks that the image's tree lacks would never run.
fn run(dirs: &[PathBuf]) -> Result<ExitCode, Fail> {
    let mut lockstep = Lockstep::start()?;
    let mut others = others()?;
    let mut programs = 0;
    for (path, program) in programs_of(dirs)? {
        programs += 1;
        // A new finding ends the run: lines that only ran because something went wrong are not covered. Unsafe callers
        // are exempt, because what goes wrong in their programs is their own doing.
        let new = lockstep.run(&program).err().filter(|_| !program.unsafe_caller);
        new.map_or(Ok(()), |crash| Err(format!("{}:\n{}", path.display(), crash.report())))?;
        others.iter_mut().try_for_each(|model| model.run(&program).map(drop))?;
    }
    println!("{programs} programs");
    Ok(ExitCode::SUCCESS)
}

/// Models of the other tree, of a tree that has every quirk, and of one that has none.
fn others() -> std::io::Result<Vec<ModelRun>> {
    let all = Quirk::ALL.iter().copied().collect();
    [Quirks::v6_1(), all, Quirks::none()].into_iter().map(|quirks| ModelRun::new(Facts::default(), quirks)).collect()
}

fn programs_of(dirs: &[PathBuf]) -> Result<Vec<(PathBuf, Program)>, Fail> {
    let mut out = Vec::new();
    for dir in dirs {
        let mut files = std::fs::read_dir(dir)?.map(|e| e.map(|e| e.path())).collect::<std::io::Result<Vec<_>>>()?;
        // The order of a folder differs between file systems, and the first failure should not.
        files.sort();
        for path in files {
            out.push((path.clone(), parse(&path)?));
        }
    }
    Ok(out)
}

fn parse(path: &Path) -> Result<Program, Fail> {
    let text = std::fs::read_to_string(path)?;
    text.parse().map_err(|e| format!("{}: {e}", path.display()).into())
}
