// SPDX-License-Identifier: GPL-2.0-only
//! C source, told apart byte by byte: what is code, what is a literal, and what neither an anchor nor a count of lines is
//! to look at.

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Text {
    Code,
    /// A string or character literal: part of a match, but no bracket in it counts.
    Literal,
    /// A comment or a preprocessor line: never part of a match, and skipped between the characters of one.
    Aside,
}

/// Classifies code, literals, comments and preprocessor lines, byte by byte.
pub fn code_mask(text: &str) -> Vec<Text> {
    let bytes = text.as_bytes();
    let mut mask = vec![Text::Code; bytes.len()];
    let (mut at, mut line_begins) = (0, true);
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (length, part) = if rest.starts_with(b"/*") {
            (text[at + 2..].find("*/").map_or(rest.len(), |end| end + 4), Text::Aside)
        } else if rest.starts_with(b"//") {
            (text[at..].find('\n').unwrap_or(rest.len()), Text::Aside)
        } else if rest[0] == b'#' && line_begins {
            (directive(rest), Text::Aside)
        } else if rest[0] == b'"' || rest[0] == b'\'' {
            (literal(rest), Text::Literal)
        } else {
            (1, Text::Code)
        };
        mask[at..at + length].fill(part);
        // A directive may be indented.
        line_begins = rest[0] == b'\n' || (line_begins && rest[0].is_ascii_whitespace());
        at += length;
    }
    mask
}

/// The length of a preprocessor line with its continuations: a macro's body has brackets that need not match.
fn directive(rest: &[u8]) -> usize {
    (0..rest.len()).find(|&i| rest[i] == b'\n' && rest[i - 1] != b'\\').unwrap_or(rest.len())
}

/// The length of the literal at the start of `rest`. One that is not closed ends with its line, so that an apostrophe
/// in unusual text does not swallow the file.
fn literal(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != rest[0] && rest[at] != b'\n' {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}
