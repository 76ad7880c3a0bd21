// SPDX-License-Identifier: GPL-2.0-only
//! The error of a text that is no program: where it stands, what was expected, and a suggestion.

use std::ops::Range;

/// Why a text is not a program, and where.
///
/// Carries the whole text, so that a report with the line and a caret can be rendered wherever the error ends up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("line {line}, column {column}: {message}")]
pub struct TextError {
    /// 1-based.
    pub line: usize,
    /// 1-based, counted in characters rather than bytes, as editors do.
    pub column: usize,
    pub message: String,
    /// A correction to suggest, such as the known name that is nearest to the one found.
    #[help]
    pub help: Option<String>,
    #[source_code]
    source_text: String,
    /// Offset and length in bytes.
    #[label("here")]
    span: (usize, usize),
}

impl TextError {
    /// An error about a range of bytes of `text`, which must lie on character boundaries.
    pub(super) fn new(text: &str, at: Range<usize>, message: String, help: Option<String>) -> TextError {
        let before = &text[..at.start];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        TextError {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message,
            help,
            source_text: text.to_owned(),
            span: (at.start, at.len()),
        }
    }

    /// The range of bytes at fault; empty at the end of a line when something is missing.
    pub fn span(&self) -> Range<usize> {
        self.span.0..self.span.0 + self.span.1
    }
}

/// The candidate nearest to `word`, if it is near enough to be a misspelling: at most one edit, and one more for every
/// four letters of the shorter of the two.
///
/// A suggestion farther off would only mislead.
pub(super) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|c| (distance(&word, &c.to_lowercase()), c))
        .min_by_key(|&(d, _)| d)
        // One edit up to three letters, two up to seven.
        .filter(|&(d, c)| d <= 1 + c.len().min(word.len()) / 4)
        .map(|(_, c)| c)
}

/// The Levenshtein distance in characters, computed in one row of the table.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    // `row[j]` is the distance between the prefix of `a` so far and the first `j` characters of `b`.
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &cb) in b.iter().enumerate() {
            let change = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
