// SPDX-License-Identifier: GPL-2.0-only
//! Writing to standard output and standard error. A reader that closes the pipe early has seen enough, so that is no
//! error.

use std::io::{self, ErrorKind, Write};

use terminal_size::{Width, terminal_size_of};

/// Width of text that goes to no terminal.
const PLAIN_WIDTH: usize = 100;
/// Widest text on a terminal: longer lines are hard to read.
const MAX_WIDTH: usize = 120;

/// Writes to standard output; colours only where they are wanted.
///
/// # Errors
/// The output cannot be written, but for a closed pipe.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Writes a line to standard error. A failure is ignored: there is no other place where it could be reported.
pub fn tell(line: &str) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

/// Tells what a person should know about the input.
pub fn notes(notes: &[String]) {
    notes.iter().for_each(|note| tell(&format!("note: {note}")));
}

/// How wide text may be.
pub fn width() -> usize {
    terminal_size_of(io::stdout()).map_or(PLAIN_WIDTH, |(Width(w), _)| usize::from(w).clamp(40, MAX_WIDTH))
}
