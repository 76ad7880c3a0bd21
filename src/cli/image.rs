// SPDX-License-Identifier: GPL-2.0-only
//! Reading programs, and the lines that say what was compiled.

use std::path::Path;

use percuss::image::Image;
use percuss::program::Program;

use super::CliError;

/// Largest program file that is read, in bytes.
const FILE_MAX: u64 = 16 << 20;

/// Reads a program in text or byte form: byte form starts with its version byte, which no text does.
///
/// # Errors
/// The file cannot be read, or is neither.
pub fn read_program(path: &Path) -> Result<Program, CliError> {
    let fail = |error| CliError::File { what: "read", path: path.to_owned(), error };
    let meta = std::fs::metadata(path).map_err(fail)?;
    if meta.len() > FILE_MAX {
        let message =
            format!("{}: {} bytes are too many for a program; at most {FILE_MAX} are read", path.display(), meta.len());
        return Err(CliError::Input(message));
    }
    let bytes = std::fs::read(path).map_err(fail)?;
    if bytes.is_empty() {
        return Err(CliError::Input(format!(
            "{}: the file is empty; a program needs at least a `task` line",
            path.display()
        )));
    }
    if !bytes.contains(&0)
        && bytes[0] >= b'\t'
        && let Ok(text) = std::str::from_utf8(&bytes)
    {
        return text
            .parse()
            .map_err(|error: TextErrorBox| CliError::Text { path: path.to_owned(), error: Box::new(error) });
    }
    Program::decode_strict(&bytes).map_err(|error| CliError::Bytes { path: path.to_owned(), error })
}

type TextErrorBox = percuss::program::TextError;

/// What was compiled, in one line each: tree, files, what was applied, quirks.
pub fn describe(image: &Image) -> Vec<String> {
    let tree = &image.tree;
    let mut out =
        vec![format!("tree     {} ({}, {}), config {}", tree.name, tree.version, tree.origin, image.config.name())];
    for name in &image.applied {
        out.push(format!("applied  {name}"));
    }
    for (path, hash) in image.files.iter().filter(|(p, _)| p == "mm/percpu.c" || p == "mm/percpu-vm.c") {
        out.push(format!("file     {path} {}", &hash[..16]));
    }
    out.push(format!("quirks   {}", image.quirks));
    if !image.undecided.is_empty() {
        out.push(format!("         undecided: {}", image.undecided.join(" ")));
    }
    out
}
