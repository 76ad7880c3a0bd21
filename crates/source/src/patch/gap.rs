// SPDX-License-Identifier: GPL-2.0-only
//! Between two lines that a hunk and a file have in common: what the hunk inserts, and the empty lines of both.
//!
//! Empty lines that the patch still has say exactly where an insertion is. Where they were lost, the header's line and
//! its count do, and else the insertion's own empty lines: one that begins with an empty line follows the code before
//! it, one that ends with one precedes the code after it.

use super::diff::{CONTEXT, Hunk, Line};
use super::mending::Mending;

pub(super) struct Gap<'h> {
    /// The hunk's lines: insertions, empty ones, and a mail's text.
    pub items: &'h [&'h Line],
    /// The hunk's lines around it that are in the file.
    pub before: Option<&'h Line>,
    pub next: Option<&'h Line>,
    pub hunk: &'h Hunk,
    /// The index of the file's line where the hunk should begin.
    pub stated: usize,
}

/// Adds the file's lines from `at` to the line `end`, which is the hunk's next, with the insertions among them. Returns
/// the number of the first line that is not added: without an `end`, those after the insertion are left.
pub(super) fn fill(
    out: &mut String,
    lines: &[&str],
    gap: &Gap<'_>,
    at: usize,
    end: Option<usize>,
    mending: Option<&Mending>,
) -> usize {
    let begin = match (gap.before, end) {
        (Some(_), _) => at,
        // Before the hunk, all but the empty lines right above it are none of its business.
        (None, Some(end)) => (at..end).rev().take_while(|&i| lines[i].trim().is_empty()).last().unwrap_or(end),
        // A hunk without any context is where its header says.
        (None, None) => (gap.stated + (gap.hunk.counts.0 == 0) as usize).clamp(at, lines.len()),
    };
    out.extend(lines[at..begin].iter().copied());
    let room = (begin..lines.len()).take_while(|&i| end != Some(i) && lines[i].trim().is_empty()).count();
    let inserts = gap.items.iter().any(|line| matches!(line, Line::Insert(_)));
    let empty = gap.items.iter().filter(|line| line.is_empty()).count();
    let mut at = begin;
    // Of a hunk that begins with empty lines, the last ones in the file are meant; else the first ones.
    let lost = room.saturating_sub(empty);
    let skip = match () {
        () if !inserts && empty == 0 => lost,
        () if gap.before.is_none() => lost,
        () if empty == 0 => choose(gap, begin, room),
        () => 0,
    };
    let skip = if end.is_none() && !inserts { 0 } else { skip };
    out.extend(lines[at..at + skip].iter().copied());
    at += skip;
    for item in gap.items {
        match item {
            Line::Insert(new) => insert(out, new, mending),
            line if line.is_empty() && at < begin + room => {
                if !matches!(line, Line::Delete(_)) {
                    *out += lines[at];
                }
                at += 1;
            }
            // A mail's text, or an empty line that the file does not have.
            _ => {}
        }
    }
    if let Some(end) = end {
        out.extend(lines[at..end].iter().copied());
        at = end;
    }
    at
}

/// How many of the `room` empty lines from `begin` on are before the insertion, where the patch has lost them all.
fn choose(gap: &Gap<'_>, begin: usize, room: usize) -> usize {
    let first = |line: &Line| std::ptr::eq(line, gap.hunk.lines.iter().find(|line| line.changes()).unwrap_or(line));
    let last = |line: &Line| std::ptr::eq(line, gap.hunk.lines.iter().rfind(|line| line.changes()).unwrap_or(line));
    let insertion = || gap.items.iter().copied().filter(|line| matches!(line, Line::Insert(_)));
    // What replaces lines stands where they were.
    if gap.before.is_some_and(Line::changes) {
        return 0;
    }
    if gap.next.is_some_and(Line::changes) {
        return room;
    }
    // The header counts the empty lines, too: context before the first change, and after the last one.
    let hinted = match () {
        () if insertion().any(first) => Some(gap.stated + CONTEXT),
        () if insertion().any(last) => (gap.stated + gap.hunk.counts.0).checked_sub(CONTEXT),
        () => None,
    };
    if let Some(hint) = hinted.and_then(|place| place.checked_sub(begin)).filter(|skip| *skip <= room) {
        return hint;
    }
    let ends = |line: Option<&Line>| line.is_some_and(|line| line.text().trim().is_empty());
    if ends(insertion().next_back()) && !ends(insertion().next()) { room } else { 0 }
}

fn insert(out: &mut String, new: &str, mending: Option<&Mending>) {
    // The file's last line may have no end.
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    match mending {
        None => *out += new,
        Some(mending) => {
            let before = out.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
            let mended = mending.mend(new, before).into_owned();
            *out += &mended;
        }
    }
}
