// SPDX-License-Identifier: GPL-2.0-only
//! Findings as files: the small program as text, with what it shows in comments.

use std::io;
use std::path::Path;

use super::{origin, together};
use percuss_engine::campaign::{Case, Verdict};
use percuss_engine::image::Image;
use percuss_source::files::{slug, write_whole};

/// Finds out whether findings can be written to `dir`, before a campaign is run for nothing. Leaves nothing behind.
///
/// # Errors
/// They cannot.
pub fn prepare(dir: &Path) -> io::Result<()> {
    let absolute = std::path::absolute(dir)?;
    let existing = absolute.ancestors().find(|p| p.symlink_metadata().is_ok()).unwrap_or(Path::new("/"));
    tempfile::tempfile_in(existing).map(drop)
}

/// Writes the program of each new finding and notes where.
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

/// Writes the program of each new case and notes where; `first` says what showed it first.
pub(super) fn save_cases(
    cases: &mut [Case],
    dir: &Path,
    image: &Image,
    first: impl Fn(&Case) -> String,
) -> io::Result<()> {
    if cases.iter().all(|c| c.quirk().is_some()) {
        return Ok(());
    }
    std::fs::create_dir_all(dir)?;
    let mut names: Vec<String> = Vec::new();
    for case in cases.iter_mut().filter(|c| c.quirk().is_none()) {
        let name = slug(&case.found.finding.title);
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

/// The program with its story.
fn text(case: &Case, image: &Image, first: &str) -> String {
    let f = &case.found.finding;
    let tree = &image.tree;
    let mut out = format!("# {}\n# oracle {}\n", f.title, f.oracle.name());
    out.extend(f.detail.to_string().trim_end().lines().map(|line| format!("# {line}").trim_end().to_owned() + "\n"));
    out += &format!("# tree {} ({}, {}), config {}", tree.name, tree.version, tree.origin, image.config.name());
    for name in &image.applied {
        out += &format!(", {name}");
    }
    out + &format!("\n# {first}\n{}", case.program)
}
