// SPDX-License-Identifier: GPL-2.0-only
//! Reading programs, in any of the forms in which they are stored: text, bytes, and the trace of a kernel. The form is
//! seen from the content, as standard input and crash files have no telling name.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use percuss::program::{BytesError, Program, TextError};
use percuss::trace::{self, Trace};

use super::CliError;

/// Largest program file that is read, in bytes.
const FILE_MAX: u64 = 16 << 20;

/// Reads a program in text or byte form, or what a kernel's trace asks for. Byte form starts with its version byte,
/// which no text does. `-` is standard input.
///
/// # Errors
/// The file cannot be read, is larger than 16 MiB or empty, or is none of these forms.
pub fn read_program(path: &Path) -> Result<Program, CliError> {
    let fail = |error| CliError::File { what: "read", path: path.to_owned(), error };
    let mut bytes = Vec::new();
    // Files may grow, and devices have no size: what is read is what counts.
    let file: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ => Box::new(File::open(path).map_err(fail)?),
    };
    // One byte more than allowed, so that a file of exactly the limit differs from a longer one.
    file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > FILE_MAX {
        let message = format!(
            "{}: more than {} MiB are no program; of a long trace, take a part",
            path.display(),
            FILE_MAX >> 20
        );
        return Err(CliError::Input(message));
    }
    if bytes.is_empty() {
        return Err(CliError::Input(format!(
            "{}: the file is empty; a program needs at least a `task` line",
            path.display()
        )));
    }
    // The version byte is below a tab, and text holds no NUL: either is enough to know the byte form.
    if !bytes.contains(&0)
        && bytes[0] >= b'\t'
        && let Ok(text) = std::str::from_utf8(&bytes)
    {
        // Before the parser of programs, whose message about the first line of a trace would mislead.
        if trace::is_trace(text) {
            return import(path, text);
        }
        return text
            .parse()
            .map_err(|error: TextError| CliError::Text { path: path.to_owned(), error: Box::new(error) });
    }
    match Program::decode_strict(&bytes) {
        // A fuzzer's inputs may end in the middle of a record: what it ran is what the total decoder makes of them.
        Err(e @ BytesError::Trailing { .. }) => {
            eprintln!("note: {}: {e}; decoded as a fuzzer does", path.display());
            Ok(Program::decode(&bytes))
        }
        other => other.map_err(|error| CliError::Bytes { path: path.to_owned(), error }),
    }
}

/// The program that asks for what a kernel was asked for. What of the trace cannot be part of a program is reported as
/// notes on standard error.
fn import(path: &Path, text: &str) -> Result<Program, CliError> {
    let trace: Trace = text.parse().map_err(|e| CliError::Input(format!("{}: {e}", path.display())))?;
    let imported = trace.import();
    for note in &imported.notes {
        eprintln!("note: {}: {note}", path.display());
    }
    Ok(imported.program)
}
