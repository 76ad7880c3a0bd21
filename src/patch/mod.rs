// SPDX-License-Identifier: GPL-2.0-only
//! Patches: the user's unified diffs and `git format-patch` files, applied to a scratch copy of a tree.
//!
//! Lines may have moved, context must match. A file is changed by the whole patch or not at all.

mod error;

use std::path::{Component, Path};

use diffy::Line;
use diffy::patch_set::{FileOperation, ParseOptions, PatchKind, PatchSet};

pub use error::PatchError;

use crate::tree::Overlay;

/// Applies the patch file `path` to `overlay`; the files it changed.
pub fn apply_file(path: &Path, overlay: &mut Overlay) -> Result<Vec<String>, PatchError> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|source| PatchError::Read { patch: name.clone(), source })?;
    apply_text(&name, &String::from_utf8_lossy(&bytes), overlay)
}

/// Applies the patch `text`, called `name` in errors and reports, to `overlay`; the files it changed.
pub fn apply_text(name: &str, text: &str, overlay: &mut Overlay) -> Result<Vec<String>, PatchError> {
    let git = text.lines().any(|line| line.starts_with("diff --git "));
    let options = if git { ParseOptions::gitdiff() } else { ParseOptions::unidiff() };
    let mut changed: Vec<(String, String)> = Vec::new();
    for part in PatchSet::parse(text, options) {
        let part = part.map_err(|error| PatchError::Format { patch: name.to_owned(), detail: error.to_string() })?;
        let file = target(name, part.operation(), overlay)?;
        let PatchKind::Text(patch) = part.patch() else {
            return Err(PatchError::Unsupported { patch: name.to_owned(), file, what: "changes a binary file" });
        };
        if patch.hunks().is_empty() {
            continue; // a change of mode
        }
        let index = match changed.iter().position(|(known, _)| *known == file) {
            Some(index) => index,
            None => {
                changed.push((file.clone(), overlay.read(&file)?));
                changed.len() - 1
            }
        };
        let before = &changed[index].1;
        changed[index].1 = diffy::apply(before, patch).map_err(|error| failure(name, &file, before, patch, &error))?;
    }
    for (file, text) in &changed {
        overlay.write(file, text)?;
    }
    overlay.applied.push(name.to_owned());
    Ok(changed.into_iter().map(|(file, _)| file).collect())
}

/// The file an operation changes, which must be inside the tree and exist there.
fn target(patch: &str, operation: &FileOperation<'_, str>, overlay: &Overlay) -> Result<String, PatchError> {
    let unsupported =
        |file: &str, what| Err(PatchError::Unsupported { patch: patch.to_owned(), file: strip(file).to_owned(), what });
    let (original, modified) = match operation {
        FileOperation::Modify { original, modified } => (original.as_ref(), modified.as_ref()),
        FileOperation::Create(file) => return unsupported(file, "creates a file"),
        FileOperation::Delete(file) => return unsupported(file, "deletes a file"),
        FileOperation::Rename { from, .. } => return unsupported(from, "renames a file"),
        FileOperation::Copy { from, .. } => return unsupported(from, "copies a file"),
    };
    for path in [original, modified] {
        let inside = |part| matches!(part, Component::Normal(_));
        if path.is_empty() || path.contains('\\') || !Path::new(path).components().all(inside) {
            return Err(PatchError::Outside { patch: patch.to_owned(), path: path.to_owned() });
        }
    }
    // `a/mm/percpu.c`, `linux-6.12.orig/mm/percpu.c` or just `mm/percpu.c`; the new name counts first, as for `patch`.
    let candidates = [strip(modified), strip(original), modified, original];
    match candidates.into_iter().find(|file| overlay.has(file)) {
        Some(file) => Ok(file.to_owned()),
        None => Err(PatchError::NoFile { patch: patch.to_owned(), file: strip(modified).to_owned() }),
    }
}

/// A path without its first component.
fn strip(path: &str) -> &str {
    path.split_once('/').map_or(path, |(_, rest)| rest)
}

/// Says which hunk did not apply, and where the file first differs from what it expects.
fn failure(name: &str, file: &str, text: &str, patch: &diffy::Patch<'_, str>, error: &diffy::ApplyError) -> PatchError {
    // The number is all the error has, and only in its text.
    let number = error.to_string().rsplit('#').next().and_then(|n| n.parse().ok()).unwrap_or(1);
    let hunk = &patch.hunks()[number - 1];
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let side = |new: bool| -> Vec<&str> {
        let wanted = hunk.lines().iter().filter_map(|line| match line {
            Line::Context(line) => Some(*line),
            Line::Delete(line) => (!new).then_some(*line),
            Line::Insert(line) => new.then_some(*line),
        });
        wanted.collect()
    };
    let (old, new) = (side(false), side(true));
    let applied = !new.is_empty() && lines.windows(new.len()).any(|window| window == new);

    // The place most like what the hunk expects; of equals, the nearest to where it says.
    let stated = hunk.old_range().start().saturating_sub(1);
    let likeness = |start: usize| lines[start..].iter().zip(&old).filter(|(found, wanted)| found == wanted).count();
    let best = (0..lines.len()).max_by_key(|&start| (likeness(start), std::cmp::Reverse(start.abs_diff(stated))));
    let start = best.unwrap_or(0);
    let at = (0..old.len()).find(|&i| lines.get(start + i) != Some(&old[i])).unwrap_or(0);
    let quote =
        |line: Option<&&str>| line.map_or("the end of the file".to_owned(), |line| format!("`{}`", line.trim()));
    PatchError::Hunk(Box::new(error::Hunk {
        patch: name.to_owned(),
        file: file.to_owned(),
        number,
        of: patch.hunks().len(),
        header: format!("@@ -{} +{} @@", hunk.old_range(), hunk.new_range()),
        line: start + at + 1,
        expected: quote(old.get(at)),
        found: quote(lines.get(start + at)),
        applied,
    }))
}
