// SPDX-License-Identifier: GPL-2.0-only
//! Findings as files: the small program as text, with what it shows in comments.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Case, Verdict};

/// Writes the program of each new finding; the paths written.
///
/// # Errors
/// The directory cannot be made or written. No half-written file is left.
pub fn save(verdict: &Verdict<'_>, dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(dir)?;
    let new = verdict.cases.iter().filter(|c| c.found.finding.quirk.is_none());
    new.map(|case| {
        let path = dir.join(format!("{}.percuss", slug(&case.found.finding.title)));
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(text(verdict, case).as_bytes())?;
        file.persist(&path)?;
        Ok(path)
    })
    .collect()
}

/// The program with its story.
fn text(verdict: &Verdict<'_>, case: &Case) -> String {
    let f = &case.found.finding;
    let tree = &verdict.image.tree;
    let mut out = format!("# {}\n# oracle {}, {}\n", f.title, f.oracle.name(), f.detail.replace('\n', " "));
    out += &format!("# tree {} ({}, {}), config {}", tree.name, tree.version, tree.origin, verdict.image.config.name());
    for name in &verdict.image.applied {
        out += &format!(", {name}");
    }
    out + &format!("\n# seed {}, program {}\n{}", verdict.seed, case.found.index, case.program)
}

/// A file name made from a title.
fn slug(title: &str) -> String {
    let mut out = String::new();
    for c in title.trim_start_matches("percuss: ").chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.ends_with('-') {
            out.push('-');
        }
    }
    out.trim_matches('-').to_owned()
}
