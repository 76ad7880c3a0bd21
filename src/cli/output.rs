// SPDX-License-Identifier: GPL-2.0-only
//! Writing to standard output and standard error. A reader that closes the pipe early has seen enough, so that is no
//! error.

use std::io::{self, ErrorKind, Write};

use terminal_size::{Width, terminal_size_of};

/// Width of text that goes to no terminal, in characters. It is fixed, so that a file does not depend on where it was
/// made.
const PLAIN_WIDTH: usize = 100;
/// Widest text on a terminal: longer lines are hard to read.
const MAX_WIDTH: usize = 120;

/// Writes to standard output; colours only where they are wanted.
///
/// # Errors
/// The output cannot be written, but for a closed pipe.
pub fn print(text: &str) -> io::Result<()> {
    // `anstream` removes colour codes where the output is no terminal, or NO_COLOR is set.
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // As for `percuss tree | head`.
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Writes a line to standard error, for messages that are not part of the result. A failure is ignored: there is no
/// other place where it could be reported.
pub fn tell(line: &str) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

pub fn notes(notes: &[String]) {
    notes.iter().for_each(|note| tell(&format!("note: {note}")));
}

/// How wide text may be, in characters: the width of the terminal, from 40 to [`MAX_WIDTH`]. Narrower terminals get
/// lines that they break themselves, since tables do not fit them anyway.
pub fn width() -> usize {
    terminal_size_of(io::stdout()).map_or(PLAIN_WIDTH, |(Width(w), _)| usize::from(w).clamp(40, MAX_WIDTH))
}
