// SPDX-License-Identifier: GPL-2.0-only
//! Interleavings as text: a column for each task, and for the worker and kswapd where they run. Time runs downwards,
//! so where the text moves to another column, the processor went to another context.

use std::fmt::Write;

use percuss_engine::judge::interleaving::{Interleaving, Stretch};
use percuss_kernel::context_name;

const GAP: usize = 2;
/// Narrowest and widest column, in characters. Below the minimum words would be cut all the time, so that many tasks
/// make the text wider than the terminal instead.
const WIDTHS: (usize, usize) = (11, 44);
/// Rows shown around an op, two thirds of them before it: what led to a finding is there.
const AROUND: usize = 60;

/// The rows of an interleaving, or those around the op that is asked for, with the numbers of rows left out. Only
/// contexts with a row that is shown get a column.
pub fn interleaving(all: &Interleaving, around: Option<u32>, width: usize) -> String {
    let (rows, before, behind) = window(&all.rows, around);
    // Contexts without a row in the window get no column, so that the others are wider.
    let mut contexts: Vec<usize> = rows.iter().map(|r| r.context).collect();
    contexts.sort_unstable();
    contexts.dedup();
    let gaps = GAP * contexts.len().saturating_sub(1);
    // One width for all columns, as only its position shows the context of a row.
    let column = (width.saturating_sub(gaps) / contexts.len().max(1)).clamp(WIDTHS.0, WIDTHS.1);
    let left = |context: usize| contexts.iter().position(|c| *c == context).unwrap_or(0) * (column + GAP);
    let mut out = header(&contexts, column);
    let more = |out: &mut String, n: usize, place: &str| {
        if n > 0 {
            let _ = writeln!(out, "({n} more rows {place})");
        }
    };
    more(&mut out, before, "before");
    for row in rows {
        for line in lines(row, column) {
            let _ = writeln!(out, "{}{line}", " ".repeat(left(row.context)));
        }
    }
    more(&mut out, behind, "behind");
    out
}

/// Rows to show, and how many there are before and after them.
fn window(rows: &[Stretch], around: Option<u32>) -> (&[Stretch], usize, usize) {
    let Some(op) = around.filter(|_| rows.len() > AROUND) else { return (rows, 0, 0) };
    // What belongs to no op, or to the drain, is at the end.
    let at = rows.iter().rposition(|r| r.op == op).unwrap_or(rows.len() - 1);
    // At either end of the log the window is moved, not shortened.
    let end = (at + AROUND / 3).clamp(AROUND, rows.len());
    (&rows[end - AROUND..end], end - AROUND, rows.len() - end)
}

fn header(contexts: &[usize], column: usize) -> String {
    let names = contexts.iter().map(|c| context_name(*c).trim_start_matches("the ").to_owned());
    let (mut first, mut second) = (String::new(), String::new());
    for name in names {
        let _ = write!(first, "{name:<0$}", column + GAP);
        let _ = write!(second, "{:<1$}", "-".repeat(name.len()), column + GAP);
    }
    format!("{}\n{}\n", first.trim_end(), second.trim_end())
}

fn lines(row: &Stretch, column: usize) -> Vec<String> {
    let mut out = fill(&row.what, column, "");
    row.notes.iter().for_each(|note| out.extend(fill(note, column, "  ")));
    out
}

/// Words in lines of at most `width` characters; longer words are cut.
fn fill(text: &str, width: usize, indent: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for word in text.split_ascii_whitespace() {
        let mut word = word;
        match out.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
                continue;
            }
            _ => {}
        }
        // A word alone is too long for a line: a cut one is better than one that runs into the next column.
        while indent.len() + word.len() > width {
            let (head, rest) = word.split_at(width - indent.len());
            out.push(format!("{indent}{head}"));
            word = rest;
        }
        out.push(format!("{indent}{word}"));
    }
    out
}
