// SPDX-License-Identifier: GPL-2.0-only
//! The error of text that is no program: where, what was expected, and the nearest thing that would have been right.

use std::ops::Range;

/// Why a text is not a program, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("line {line}, column {column}: {message}")]
pub struct TextError {
    /// Line, 1-based.
    pub line: usize,
    /// Column in characters, 1-based.
    pub column: usize,
    /// What was expected and what is there instead.
    pub message: String,
    /// The nearest thing that would have been right.
    #[help]
    pub help: Option<String>,
    /// The whole text, to quote from.
    #[source_code]
    source_text: String,
    /// Bytes of the text at fault.
    #[label("here")]
    span: (usize, usize),
}

impl TextError {
    /// An error about bytes of the text.
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

    /// Bytes of the text at fault.
    pub fn span(&self) -> Range<usize> {
        self.span.0..self.span.0 + self.span.1
    }
}

/// The candidate nearest to `word`, when it is near enough to have been meant.
pub(super) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|c| (distance(&word, &c.to_lowercase()), c))
        .min_by_key(|&(d, _)| d)
        .filter(|&(d, c)| d <= 1 + c.len().min(word.len()) / 4)
        .map(|(_, c)| c)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
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
