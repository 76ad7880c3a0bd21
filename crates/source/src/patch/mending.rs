// SPDX-License-Identifier: GPL-2.0-only
//! Tabs for the lines that a damaged patch puts in, learnt from lines that are in the tree.
//!
//! A patch whose tabs became blanks still says how deep each line is. Context and deleted lines show which tabs and
//! blanks the tree has at a depth; a depth that is seen nowhere gets as many tabs as fit. Where an archive left no
//! depth at all, a line is put as deep as the one before it.

use std::borrow::Cow;

/// Columns of a tab, as everywhere in the kernel.
const TAB: usize = 8;

/// Lines of a hunk, and the same ones in the tree.
#[derive(Debug, Default)]
pub(super) struct Lines<'h> {
    /// Context without its marker, which may be lost: then it is without a blank of the code.
    pub context: Vec<(&'h str, &'h str)>,
    pub deleted: Vec<(&'h str, &'h str)>,
    pub inserted: Vec<&'h str>,
    /// Some context begins with no blank at all: the markers are lost.
    pub bare: bool,
}

#[derive(Debug, Default)]
pub(super) struct Mending {
    /// Columns of leading blanks in inserted lines, and the tabs and blanks that the tree has there.
    known: Vec<(usize, String)>,
    /// 1 when the patch's marker took one column of the first tab's: a terminal shows `+<tab>` as eight columns, so
    /// copied text has seven blanks after the marker.
    short: usize,
    /// The archive has at most one blank at the beginning of each line, so its columns say nothing.
    flat: bool,
}

impl Mending {
    pub fn of(lines: &Lines<'_>) -> Mending {
        let pairs = || lines.deleted.iter().chain(&lines.context).filter(|(_, tree)| !tree.trim().is_empty());
        let deep = pairs().any(|(_, tree)| columns(lead(tree)) >= TAB);
        let flat = deep && pairs().all(|(patch, _)| columns(lead(patch)) <= 1);
        match short(lines) {
            Some(short) => {
                let known = pairs().map(|(_, tree)| lead(tree)).filter(|lead| !lead.is_empty());
                let known = known.map(|lead| (columns(lead).saturating_sub(short), lead.to_owned()));
                Mending { known: known.collect(), short, flat }
            }
            // Tabs of another width: what was seen is all there is.
            None => {
                let known = pairs().map(|(patch, tree)| (columns(lead(patch)), lead(tree).to_owned())).collect();
                Mending { known, short: 0, flat }
            }
        }
    }

    /// The line as it belongs into the tree, after the line `before`. One that has a tab already, or no indentation, is
    /// left as it is.
    pub fn mend<'t>(&self, line: &'t str, before: &str) -> Cow<'t, str> {
        let old = lead(line);
        let body = &line[old.len()..];
        if body.trim().is_empty() {
            // The kernel has no blanks on empty lines.
            return Cow::Borrowed(line.trim_start_matches([' ', '\t']));
        }
        if self.flat {
            return Cow::Owned(format!("{}{body}", beside(before, body)));
        }
        if old.is_empty() || old.contains('\t') {
            return Cow::Borrowed(line);
        }
        let width = columns(old);
        if let Some((_, lead)) = self.known.iter().find(|(known, _)| *known == width) {
            return Cow::Owned(format!("{lead}{body}"));
        }
        let width = width + self.short;
        Cow::Owned(format!("{}{}{body}", "\t".repeat(width / TAB), " ".repeat(width % TAB)))
    }
}

/// How many columns inserted lines lack of the tree's, 0 or 1. None when the patch's tabs are not eight columns wide.
///
/// Deleted lines have the same markers, so they say it. Context may have lost its marker, and a column of the code with
/// it: one that is short by a column is so by the terminal's tabs or by the marker, and by two it is both.
fn short(lines: &Lines<'_>) -> Option<usize> {
    let lack = |(patch, tree): &(&str, &str)| columns(lead(tree)).checked_sub(columns(lead(patch)));
    let indented = |(_, tree): &&(&str, &str)| !tree.trim().is_empty() && lead(tree).contains('\t');
    if let Some(pair) = lines.deleted.iter().find(indented) {
        return lack(pair).filter(|lack| *lack <= 1);
    }
    // Who kept a tab has kept them all.
    if lines.inserted.iter().any(|line| lead(line).contains('\t')) {
        return Some(0);
    }
    let Some(pair) = lines.context.iter().find(indented) else { return Some(0) };
    // Blanks of the tree's own are as many as there were, unless the first was taken for the marker.
    let blanks = |(_, tree): &&(&str, &str)| !lead(tree).is_empty() && !lead(tree).contains('\t');
    let seen = lines.context.iter().find(blanks).and_then(lack);
    // Where both are possible, inserted lines are more likely as deep as a line beside them, or as whole tabs.
    let depths: Vec<usize> = lines.context.iter().map(|(_, tree)| columns(lead(tree))).collect();
    let widths = || lines.inserted.iter().map(|line| columns(lead(line))).filter(|width| *width > 0);
    let likely = |short: usize| -> usize {
        let of = |width: usize| {
            2 * depths.contains(&(width + short)) as usize + (width + short).is_multiple_of(TAB) as usize
        };
        widths().map(of).sum()
    };
    match lack(pair)? {
        0 => Some(0),
        1 if seen == Some(0) => Some(1),
        1 if lines.bare || seen == Some(1) => Some(0),
        1 if likely(0) != likely(1) => Some((likely(1) > likely(0)) as usize),
        1 => Some(1),
        2 => Some(1),
        _ => None,
    }
}

/// The indentation of a line of C after another: braces change it, and labels and preprocessor lines have none.
fn beside(before: &str, body: &str) -> String {
    let label = body.trim_end().strip_suffix(':').is_some_and(|name| !name.contains([' ', '?', '"']));
    if body.starts_with('#') || label {
        return String::new();
    }
    let mut lead = lead(before).trim_end_matches(' ').to_owned();
    if before.trim_end().ends_with('{') {
        lead.push('\t');
    }
    if body.starts_with('}') && lead.ends_with('\t') {
        lead.pop();
    }
    lead
}

fn lead(line: &str) -> &str {
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

/// How many columns tabs and blanks take from the beginning of a line.
fn columns(blanks: &str) -> usize {
    blanks.chars().fold(0, |at, c| if c == '\t' { (at / TAB + 1) * TAB } else { at + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tabs_come_back() {
        let context = |pairs: &[(&'static str, &'static str)]| Lines { context: pairs.to_vec(), ..Lines::default() };
        let mending = Mending::of(&context(&[("        a\n", "\ta\n"), ("b\n", "b\n")]));
        assert_eq!(mending.mend("        c\n", ""), "\tc\n");
        assert_eq!(mending.mend("                c\n", ""), "\t\tc\n");
        assert_eq!(mending.mend("            c\n", ""), "\t    c\n");
        assert_eq!(mending.mend("   \n", ""), "\n");
        // The marker took the first column of each tab.
        let mending = Mending::of(&context(&[("       a\n", "\ta\n")]));
        assert_eq!(mending.mend("               c\n", ""), "\t\tc\n");
        assert_eq!(mending.mend("c\n", ""), "c\n");
        // The marker of the context is lost: what is taken for it was the first blank of the code.
        let lines = Lines { inserted: vec!["        c\n"], ..context(&[("       a\n", "\ta\n")]) };
        assert_eq!(Mending::of(&lines).mend("        c\n", ""), "\tc\n");
        let mending = Mending::of(&context(&[("    a\n", "\ta\n")]));
        assert_eq!(mending.mend("    c\n", ""), "\tc\n", "tabs of four columns");
    }

    #[test]
    fn without_columns_braces_show_the_depth() {
        let context = vec![("if (a) {\n", "\tif (a) {\n"), (" b\n", "\t\tb\n")];
        let mending = Mending::of(&Lines { context, bare: true, ..Lines::default() });
        assert_eq!(mending.mend(" c\n", "\tif (a) {\n"), "\t\tc\n");
        assert_eq!(mending.mend(" }\n", "\t\tc\n"), "\t}\n");
        assert_eq!(mending.mend("out:\n", "\t\tc\n"), "out:\n");
    }
}
