// SPDX-License-Identifier: GPL-2.0-only
//! Putting a diff's hunks into a text. Lines may have moved, context must match.
//!
//! A hunk goes to the matching place nearest to where its header and the hunks before it say, and never before those.
//! If there is none, the error shows the place most like it and the first line that differs.

use super::diff::{FileDiff, Hunk, Line};
use super::error::Misfit;

/// `text` with all hunks of `diff` in it.
///
/// # Errors
/// The first hunk that does not fit.
pub(super) fn apply(text: &str, diff: &FileDiff) -> Result<String, Box<Misfit>> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    // Room for what a patch mostly adds.
    let mut out = String::with_capacity(text.len() + 1024);
    let (mut done, mut shift) = (0, 0);
    for (i, hunk) in diff.hunks.iter().enumerate() {
        let old = hunk.side(false);
        // A hunk that only inserts names the line before; others name their first line.
        let stated = if old.is_empty() { hunk.start } else { hunk.start.saturating_sub(1) };
        // A header may name a line after the end, or one that is done.
        let likely = stated.saturating_add_signed(shift).clamp(done, lines.len().max(done));
        // `shift` is how far the last hunk was from its stated line, since lines inserted above move all that follow.
        // Hunks of this diff move nothing: `lines` is the text before it.
        let Some(start) = place(&lines, &old, done, likely) else {
            return Err(Box::new(misfit(&lines, hunk, (i + 1, diff.hunks.len()), likely)));
        };
        out.extend(lines[done..start].iter().copied());
        done = put(&mut out, &lines, hunk, start);
        shift = start as isize - stated as isize;
    }
    out.extend(lines[done..].iter().copied());
    Ok(out)
}

/// Adds what the hunk makes of the lines from `start` on, and returns the number of the line after them.
fn put(out: &mut String, lines: &[&str], hunk: &Hunk, start: usize) -> usize {
    let mut at = start;
    for line in &hunk.lines {
        match line {
            Line::Context(_) | Line::Bare(_) => {
                *out += lines[at];
                at += 1;
            }
            Line::Delete(_) => at += 1,
            Line::Insert(text) => *out += text,
        }
    }
    at
}

/// Where `old` is, not before `from`: the place nearest to `likely`. None when it is nowhere. No lines at all fit
/// everywhere.
fn place(lines: &[&str], old: &[&str], from: usize, likely: usize) -> Option<usize> {
    let last = lines.len().checked_sub(old.len())?;
    if old.is_empty() {
        return Some(likely.min(last));
    }
    let fits = |start: &usize| lines[*start..*start + old.len()] == *old;
    (from..=last).filter(fits).min_by_key(|start| start.abs_diff(likely))
}

/// Describes where the text first differs from what the hunk expects, at the place that has most of its lines, and
/// whether its result is there already: the commonest mistake is a tree that has the patch.
fn misfit(lines: &[&str], hunk: &Hunk, (number, of): (usize, usize), likely: usize) -> Misfit {
    let (old, new) = (hunk.side(false), hunk.side(true));
    // A line or two that are there anyway prove nothing. An inserted line does, and so does context that is adjacent
    // where lines were deleted between.
    let inserts = hunk.lines.iter().any(|line| matches!(line, Line::Insert(_)));
    let framed = [hunk.lines.first(), hunk.lines.last()].iter().all(|line| matches!(line, Some(Line::Context(_))));
    let changes = inserts || (framed && new.len() > 1);
    let there = |window: &[&str]| window.iter().zip(&new).all(|(a, b)| a == b);
    let applied = changes && !new.is_empty() && lines.windows(new.len()).any(there);

    let likeness = |start: usize| lines[start..].iter().zip(&old).filter(|(a, b)| a == b).count();
    // Among places with as many lines in common, the nearest to where the hunk should be.
    // Every line is tried, which an error can afford.
    let best = (0..lines.len()).max_by_key(|&start| (likeness(start), std::cmp::Reverse(start.abs_diff(likely))));
    let start = best.unwrap_or(0);
    let at = (0..old.len()).find(|&i| lines.get(start + i).is_none_or(|line| *line != old[i])).unwrap_or(0);
    // Blanks are shown where nothing else differs: two quotations that look the same would explain nothing.
    let blanks = old.get(at).map(|line| line.trim()) == lines.get(start + at).map(|line| line.trim());
    let show =
        |line: &str| if blanks { line.trim_end_matches('\n').replace('\t', "\\t") } else { line.trim().to_owned() };
    let quote = |line: Option<&&str>| line.map_or("the end of the file".to_owned(), |line| format!("`{}`", show(line)));
    Misfit {
        number,
        of,
        header: hunk.header.clone(),
        at: hunk.at,
        line: start + at + 1,
        expected: quote(old.get(at)),
        found: quote(lines.get(start + at)),
        same: likeness(start.min(lines.len())),
        lines: old.len(),
        begins: start + 1,
        applied,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patch::diff::parse;

    fn with(text: &str, diff: &str) -> Result<String, Box<Misfit>> {
        apply(text, &parse(&format!("--- f\n+++ f\n{diff}")).unwrap()[0])
    }

    #[test]
    fn blanks_that_differ_are_shown() {
        let misfit = with("\tx\n", "@@ -1 +1 @@\n-        x\n+y\n").unwrap_err();
        assert_eq!((misfit.expected.as_str(), misfit.found.as_str()), ("`        x`", "`\\tx`"));
    }

    #[test]
    fn the_nearest_place_counts() {
        let text = "a\nb\nx\na\nb\nx\na\nb\n";
        assert_eq!(with(text, "@@ -4,2 +4,2 @@\n a\n-b\n+c\n").unwrap(), "a\nb\nx\na\nc\nx\na\nb\n");
        assert_eq!(with(text, "@@ -90,2 +90,2 @@\n a\n-b\n+c\n").unwrap(), "a\nb\nx\na\nb\nx\na\nc\n");
        // Without context the place is the header's.
        assert_eq!(with("a\nb\n", "@@ -1,0 +2 @@\n+c\n").unwrap(), "a\nc\nb\n");
        assert_eq!(with("", "@@ -0,0 +1 @@\n+c\n").unwrap(), "c\n");
    }

    #[test]
    fn hunks_keep_their_order() {
        let twice = "@@ -1 +1 @@\n-a\n+b\n@@ -1 +1 @@\n-a\n+b\n";
        assert_eq!(with("a\na\n", twice).unwrap(), "b\nb\n");
        let misfit = with("a\n", twice).unwrap_err();
        assert_eq!((misfit.number, misfit.of, misfit.applied), (2, 2, false));
        assert!(with("x\nb\n", "@@ -1,2 +1,2 @@\n x\n-a\n+b\n").unwrap_err().applied);
    }

    proptest::proptest! {
        #[test]
        fn what_diffy_makes_applies(a in "([abc]?\n){0,30}[abc]?", b in "([abc]?\n){0,30}[abc]?") {
            let diff = diffy::create_patch(&a, &b).to_string();
            if let Ok(files) = parse(&diff) {
                proptest::prop_assert_eq!(apply(&a, &files[0]).unwrap(), b);
            } else {
                proptest::prop_assert_eq!(a, b);
            }
        }
    }
}
