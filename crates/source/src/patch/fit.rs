// SPDX-License-Identifier: GPL-2.0-only
//! Putting a hunk whose context is damaged into a text: its lines are found by their words.
//!
//! Blanks do not count, neither inside lines nor as lines: archives lose, add and change them. So a hunk fits where all
//! of its context and deleted lines stand one after the other, with nothing but empty lines between them. Lines of a
//! mail that stand between those of a hunk are passed over if they are no C. What is kept is always the file's own
//! text, what is put in gets its tabs back.

use super::diff::{CONTEXT, FileDiff, Hunk, Line};
use super::error::{Misfit, Tie, Unfit};
use super::gap::{self, Gap};
use super::lenient::same;
use super::mending::{Lines, Mending};

/// Where each line of a hunk is in the file: its index, for context and deleted lines that are not empty.
pub(super) type Matched = Vec<Option<usize>>;

/// `text` with all hunks of `diff` in it. `mends` says whether all inserted lines need their tabs back: the patch has
/// no tab at all, so it has lost them even where its context, which may have none in the file either, matches exactly.
///
/// # Errors
/// The first hunk that fits nowhere, or in several places.
pub(super) fn apply(text: &str, diff: &FileDiff, mends: bool) -> Result<String, Unfit> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut out = String::with_capacity(text.len() + 1024);
    let (mut done, mut shift) = (0, 0);
    for (i, hunk) in diff.hunks.iter().enumerate() {
        let stated = hunk.start.saturating_sub(1).saturating_add_signed(shift);
        let number = (i + 1, diff.hunks.len());
        let place = place(&lines, hunk, done, stated, number)?;
        // Known only of lines that have not lost empty ones before them; it is a hint for later hunks and no more.
        if let Some(first) = place.iter().flatten().next() {
            shift = *first as isize - leading(hunk, &place) as isize - hunk.start.saturating_sub(1) as isize;
        }
        done = put(&mut out, &lines, hunk, &place, (done, stated), mends);
    }
    out.extend(lines[done..].iter().copied());
    Ok(out)
}

/// Empty lines of the hunk before its first line that is in the file.
fn leading(hunk: &Hunk, place: &Matched) -> usize {
    let first = place.iter().position(Option::is_some).unwrap_or(0);
    hunk.lines[..first].iter().filter(|line| line.is_empty()).count()
}

/// Where the hunk's lines are, not before line `done`.
///
/// # Errors
/// Nowhere, or in several places of which none is better than the others.
fn place(
    lines: &[&str],
    hunk: &Hunk,
    done: usize,
    stated: usize,
    (number, of): (usize, usize),
) -> Result<Matched, Unfit> {
    let solid = hunk.lines.iter().any(|line| !matches!(line, Line::Insert(_)) && !line.is_empty());
    if !solid {
        // Nothing to look for: only an empty file, or the header, can say where.
        return Ok(vec![None; hunk.lines.len()]);
    }
    let starts = (done..lines.len()).filter(|&i| !lines[i].trim().is_empty());
    let mut found: Vec<(usize, Matched)> =
        starts.filter_map(|at| along(lines, hunk, at, false).ok().map(|matched| (at, matched))).collect();
    // Lines that may be a mail's are passed over only where they are not in the file.
    let most = found.iter().map(|(_, matched)| count(matched)).max().unwrap_or(0);
    found.retain(|(_, matched)| count(matched) == most);
    if found.len() > 1 {
        narrow(lines, hunk, stated, &mut found);
    }
    match found.len() {
        1 => Ok(found.remove(0).1),
        0 => Err(Unfit::Nowhere(Box::new(misfit(lines, hunk, done, stated, (number, of))))),
        _ => {
            let places = found.iter().map(|(at, _)| at + 1).collect();
            let (header, first) = (hunk.header.clone(), first_words(hunk));
            Err(Unfit::Ambiguous(Box::new(Tie { number, of, header, first, places })))
        }
    }
}

fn count(matched: &Matched) -> usize {
    matched.iter().flatten().count()
}

fn first_words(hunk: &Hunk) -> String {
    let line = hunk.lines.iter().find(|line| !matches!(line, Line::Insert(_)) && !line.is_empty());
    line.map_or(String::new(), |line| line.text().trim().to_owned())
}

/// Keeps the places that the hunk's header speaks for: those in the function that it names, then one that is clearly
/// nearer to the line it names than all others.
fn narrow(lines: &[&str], hunk: &Hunk, stated: usize, found: &mut Vec<(usize, Matched)>) {
    let inside = |at: usize| {
        let head =
            lines[..at].iter().rev().find(|line| line.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'));
        // Headers cut the function's line off, and mails wrap it.
        head.is_some_and(|head| !hunk.function.is_empty() && words(head).starts_with(&words(&hunk.function)))
    };
    if found.iter().any(|(at, _)| inside(*at)) {
        found.retain(|(at, _)| inside(*at));
    }
    let away = |(at, matched): &(usize, Matched)| at.saturating_sub(leading(hunk, matched)).abs_diff(stated);
    found.sort_by_key(away);
    // Twice as near: a file that grew moves its lines, so the nearest of two that are about as far is a coin's toss.
    if found.len() > 1 && 2 * away(&found[0]) < away(&found[1]) {
        found.truncate(1);
    }
    found.sort_by_key(|(at, _)| *at);
}

fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The hunk's lines from the file's line `start` on, which must be one of them. `after` looks for what the hunk makes
/// of the file and not for what it was made from.
///
/// # Errors
/// The hunk's line that does not match and the file's line in its place, with as many as matched before them.
fn along(lines: &[&str], hunk: &Hunk, start: usize, after: bool) -> Result<Matched, (usize, usize, usize)> {
    let last = hunk.lines.iter().rposition(Line::changes).unwrap_or(0);
    let bare = hunk.lines.iter().any(|line| matches!(line, Line::Bare(text) if !text.trim().is_empty()));
    let mut matched: Matched = vec![None; hunk.lines.len()];
    let (mut at, mut after_last) = (start, 0);
    let (mut old, mut new) = (0, 0);
    for (i, line) in hunk.lines.iter().enumerate() {
        // The header's counts, where they are right, say which line is the last. Code after it shows that they are not.
        if i > last && (old, new) == hunk.counts && matches!(line, Line::Bare(text) if !is_code(text)) {
            break;
        }
        old += !matches!(line, Line::Insert(_)) as usize;
        new += !matches!(line, Line::Delete(_)) as usize;
        let other = if after { matches!(line, Line::Delete(_)) } else { matches!(line, Line::Insert(_)) };
        let found = lines.get(at).copied().unwrap_or_default();
        // Context that begins with a sign and lost its blank looks like a change.
        let signed = bare && !found.is_empty() && line.changes() && same(&whole(line), found);
        if (other && !signed) || line.text().trim().is_empty() {
            continue;
        }
        if signed || (!found.is_empty() && same(line.text(), found)) {
            matched[i] = Some(at);
            after_last += (i > last) as usize;
            at = (at + 1..lines.len()).find(|&i| !lines[i].trim().is_empty()).unwrap_or(lines.len());
        } else if i > last && after_last >= CONTEXT {
            break;
        } else if !matches!(line, Line::Bare(text) if !is_code(text)) {
            return Err((i, at, count(&matched)));
        }
    }
    if matched.iter().flatten().next() == Some(&start) { Ok(matched) } else { Err((0, start, 0)) }
}

/// The line with the sign that was taken for its marker.
fn whole(line: &Line) -> String {
    match line {
        Line::Delete(text) => format!("-{text}"),
        Line::Insert(text) => format!("+{text}"),
        Line::Context(text) | Line::Bare(text) => text.clone(),
    }
}

/// Whether a line that lost its marker is code or a comment of C rather than a sentence. Sentences may be passed over.
fn is_code(line: &str) -> bool {
    let line = line.trim();
    line.ends_with([';', '{', '}', '\\', ')'])
        || line.starts_with(['}', '#', '*', '{'])
        || (line.ends_with(',') && line.contains('('))
        || line == "else"
        || ["/*", "//", "->", " = ", "();"].iter().any(|sign| line.contains(sign))
}

/// Adds what the hunk makes of the lines from `done` on, and returns the number of the line after them.
fn put(
    out: &mut String,
    lines: &[&str],
    hunk: &Hunk,
    place: &Matched,
    (done, stated): (usize, usize),
    mends: bool,
) -> usize {
    let mending = mending(lines, hunk, place, mends);
    let mut at = done;
    let mut items: Vec<&Line> = Vec::new();
    let mut before: Option<&Line> = None;
    let gap = |out: &mut String, items: &mut Vec<&Line>, before, next: Option<(&Line, usize)>, at: usize| {
        let gap = Gap { items, before, next: next.map(|(line, _)| line), hunk, stated };
        let end = next.map(|(_, at)| at);
        let next = gap::fill(out, lines, &gap, at, end, mending.as_ref());
        items.clear();
        next
    };
    for (line, found) in hunk.lines.iter().zip(place) {
        let Some(found) = *found else {
            items.push(line);
            continue;
        };
        gap(out, &mut items, before, Some((line, found)), at);
        if kept(line, lines[found]) {
            *out += lines[found];
        }
        at = found + 1;
        before = Some(line);
    }
    gap(out, &mut items, before, None, at)
}

/// How inserted lines get their tabs back. None where nothing has happened to the patch: all of its lines are as they
/// are in the file.
fn mending(lines: &[&str], hunk: &Hunk, place: &Matched, mends: bool) -> Option<Mending> {
    let mut known = Lines::default();
    for (line, at) in hunk.lines.iter().zip(place) {
        match (line, at) {
            (Line::Insert(new), None) => known.inserted.push(new),
            (Line::Delete(old), Some(at)) => known.deleted.push((old, lines[*at])),
            (_, Some(at)) => known.context.push((line.text(), lines[*at])),
            _ => {}
        }
        known.bare |= at.is_some() && matches!(line, Line::Bare(_));
    }
    let damaged = known.deleted.iter().chain(&known.context).any(|(patch, tree)| patch != tree);
    (mends || damaged || known.bare).then(|| Mending::of(&known))
}

/// Whether a matched line stays: all but those that are deleted, unless the sign belongs to the line.
fn kept(line: &Line, found: &str) -> bool {
    !matches!(line, Line::Delete(text) if same(text, found))
}

/// Describes the place that has most of the hunk's first lines, and whether the hunk's result is in the file already:
/// the commonest mistake is a tree that has the patch.
fn misfit(lines: &[&str], hunk: &Hunk, done: usize, stated: usize, (number, of): (usize, usize)) -> Misfit {
    let solid = |i: &usize| !lines[*i].trim().is_empty();
    let framed = [hunk.lines.first(), hunk.lines.last()].iter().all(|l| l.is_some_and(|l| !l.changes()));
    let inserts = hunk.lines.iter().any(|line| matches!(line, Line::Insert(text) if !text.trim().is_empty()));
    let applied = (inserts || framed) && (0..lines.len()).filter(solid).any(|at| along(lines, hunk, at, true).is_ok());
    let tries = (done..lines.len()).filter(solid).filter_map(|start| {
        let (i, at, same) = along(lines, hunk, start, false).err()?;
        Some((same, std::cmp::Reverse(start.abs_diff(stated)), start, i, at))
    });
    let quote = |line: Option<&str>| line.map_or("the end of the file".to_owned(), |line| format!("`{}`", line.trim()));
    let old = || hunk.lines.iter().filter(|line| !matches!(line, Line::Insert(_)) && !line.is_empty());
    let (same, start, wanted, at) = match tries.max() {
        Some((same, _, start, i, at)) if same > 0 => (same, start, quote(hunk.lines.get(i).map(Line::text)), at),
        // Not even the first line is anywhere.
        _ => (0, stated.min(lines.len()), quote(old().next().map(Line::text)), stated.min(lines.len())),
    };
    Misfit {
        number,
        of,
        header: hunk.header.clone(),
        at: 0,
        line: at + 1,
        expected: wanted,
        found: quote(lines.get(at).copied()),
        same,
        lines: old().count(),
        begins: start + 1,
        applied,
    }
}
