// SPDX-License-Identifier: GPL-2.0-only
//! Findings as files: the small program as text, with what it shows in comments. Such a file is all that is needed to
//! replay a finding with `percuss replay`, and can be attached to a bug report as it is.

use std::io;
use std::path::Path;

use super::{origin, together};
use percuss_engine::campaign::{Case, Verdict};
use percuss_engine::image::Image;
use percuss_source::files::{slug, write_whole};

/// Finds out whether findings can be written to `dir`, before a campaign of hours is run for nothing. It leaves
/// nothing on the disk: the directory itself is made by [`save`] when there is a finding.
///
/// # Errors
/// The directory, or the one it would be made in, cannot be written.
pub fn prepare(dir: &Path) -> io::Result<()> {
    // A relative path has no ancestor that exists if its first part does not; an absolute one always has the root.
    let absolute = std::path::absolute(dir)?;
    let existing = absolute.ancestors().find(|p| p.symlink_metadata().is_ok()).unwrap_or(Path::new("/"));
    // Permission bits do not decide it: a read-only mount or a quota shows only when a file is made.
    tempfile::tempfile_in(existing).map(drop)
}

/// Writes the program of each new finding into `dir` and records the path in its case, for the report. Known findings
/// are not written, and without a new one the directory is not even made.
///
/// # Errors
/// The directory cannot be made or written. No half-written file is left.
pub fn save(verdict: &mut Verdict<'_>, dir: &Path) -> io::Result<()> {
    let mut cases = std::mem::take(&mut verdict.cases);
    let seed = verdict.seed;
    let first = |case: &Case| match &case.found.composed {
        Some(composed) => together(composed, seed),
        None => origin(case.found.index, seed),
    };
    let saved = save_cases(&mut cases, dir, verdict.image, first);
    verdict.cases = cases;
    saved
}

/// Writes the program of each new case and records the path in it. `first` gives the line that says what showed the
/// finding first, as a check and a soak number their programs differently.
pub(super) fn save_cases(
    cases: &mut [Case],
    dir: &Path,
    image: &Image,
    first: impl Fn(&Case) -> String,
) -> io::Result<()> {
    if !cases.iter().any(Case::is_new) {
        return Ok(());
    }
    std::fs::create_dir_all(dir)?;
    let mut names: Vec<String> = Vec::new();
    for case in cases.iter_mut().filter(|c| c.is_new()) {
        let name = slug(&case.found.finding.title);
        // Findings of different oracles may have the same title, or titles that give the same name.
        let same = names.iter().filter(|n| **n == name).count();
        let path = match same {
            0 => dir.join(format!("{name}.percuss")),
            n => dir.join(format!("{name}-{}.percuss", n + 1)),
        };
        names.push(name);
        write_whole(dir, &path, text(case, image, &first(case)).as_bytes())?;
        case.file = Some(path);
    }
    Ok(())
}

fn text(case: &Case, image: &Image, first: &str) -> String {
    let f = &case.found.finding;
    let tree = &image.tree;
    let mut out = format!("# {}\n# oracle {}\n", f.title, f.oracle.name());
    // All of the story is in comments, so that the file parses as a program.
    out.extend(f.detail.to_string().trim_end().lines().map(|line| format!("# {line}").trim_end().to_owned() + "\n"));
    out += &format!("# tree {} ({}, {}), config {}", tree.name, tree.version, tree.origin, image.config.name());
    for name in &image.applied {
        out += &format!(", {name}");
    }
    out + &format!("\n# {first}\n{}", case.program)
}
