// SPDX-License-Identifier: GPL-2.0-only
//! Reading unified diffs, with git's headers or without.
//!
//! Counts in hunk headers must be right: a hunk whose lines were edited by hand, wrapped or cut off is reported with
//! its line in the patch, for applying a part of it would be worse than none. Only [`loose`](super::loose) reads hunks
//! without counting.

use std::fmt;

/// Lines of context on each side of a change, in the diffs that git and `diff -u` make unasked. It is for hunks whose
/// counts are damaged.
pub(super) const CONTEXT: usize = 3;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FileDiff {
    /// The name before, as it is written; None when the file is created.
    pub old: Option<String>,
    /// The name after; None when it is deleted.
    pub new: Option<String>,
    pub special: Option<Special>,
    pub hunks: Vec<Hunk>,
    /// `---` and `+++` were seen: from here on, what looks like git's header lines is text between diffs.
    named: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Special {
    Rename,
    Copy,
    Binary,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Hunk {
    pub header: String,
    /// Line of the patch it stands on, from 1.
    pub at: usize,
    /// First line it changes, from 1; the line after which it inserts when it has no old lines.
    pub start: usize,
    /// How many lines of the file before and of the file after its header claims.
    pub counts: (usize, usize),
    /// What the header says after the ranges: the first words of the function, cut off at some length.
    pub function: String,
    pub lines: Vec<Line>,
}

/// A line of a hunk without its marker, and with its line end unless it is the last of a file that has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    Context(String),
    Delete(String),
    Insert(String),
    /// A line without a marker: context that lost its blank, or text of a mail. Only the file can tell them apart, so
    /// only hunks that are read loosely have any.
    Bare(String),
}

impl Line {
    /// The line without its marker.
    pub fn text(&self) -> &str {
        match self {
            Line::Context(text) | Line::Delete(text) | Line::Insert(text) | Line::Bare(text) => text,
        }
    }

    pub fn changes(&self) -> bool {
        matches!(self, Line::Insert(_) | Line::Delete(_))
    }

    /// A line that is empty in the file before the change, or an empty line of a mail.
    pub fn is_empty(&self) -> bool {
        !matches!(self, Line::Insert(_)) && self.text().trim().is_empty()
    }

    fn text_mut(&mut self) -> &mut String {
        match self {
            Line::Context(text) | Line::Delete(text) | Line::Insert(text) | Line::Bare(text) => text,
        }
    }
}

impl Hunk {
    /// The lines that the file has before the change, or those after it: context and deleted ones, or context and
    /// inserted ones.
    pub fn side(&self, after: bool) -> Vec<&str> {
        let wanted = self.lines.iter().filter_map(|line| match line {
            Line::Context(line) | Line::Bare(line) => Some(line.as_str()),
            Line::Delete(line) => (!after).then_some(line.as_str()),
            Line::Insert(line) => after.then_some(line.as_str()),
        });
        wanted.collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    None,
    /// A hunk has more or fewer lines than its header says.
    Count {
        at: usize,
        header: String,
        what: &'static str,
    },
    Header {
        at: usize,
        line: String,
    },
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::None => write!(f, "it has no diff"),
            Wrong::Count { at, header, what } => write!(f, "the hunk on line {at} ({header}) {what}"),
            Wrong::Header { at, line } => write!(f, "line {at} is no hunk header: `{line}`"),
        }
    }
}

/// Reads all diffs in `text`; what stands before and between them, such as a mail's text, is skipped.
///
/// # Errors
/// There is no diff, or one is malformed.
pub(super) fn parse(text: &str) -> Result<Vec<FileDiff>, Wrong> {
    parse_with(text, hunk)
}

/// Reads the hunk whose header is at a line, into the file's diff, and returns the number of the line after it.
pub(super) type ReadHunk = fn(&[&str], usize, &mut FileDiff) -> Result<usize, Wrong>;

pub(super) fn parse_with(text: &str, hunk: ReadHunk) -> Result<Vec<FileDiff>, Wrong> {
    let lines: Vec<&str> = text.lines().collect();
    let mut files: Vec<FileDiff> = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        if let Some(names) = line.strip_prefix("diff --git ") {
            let (old, new) = git_names(names);
            files.push(FileDiff { old, new, ..FileDiff::default() });
        } else if let Some(pair) = names(&lines[at..]) {
            // With git's header, these lines complete the diff that it began; without, they begin one.
            let file = match files.last_mut() {
                Some(file) if !file.named => file,
                _ => {
                    files.push(FileDiff::default());
                    files.last_mut().expect("just put there")
                }
            };
            // The names after `---` and `+++` replace git's: they say which file is created or deleted.
            (file.old, file.new) = pair;
            file.named = true;
            // The line with the new name belongs to this one.
            at += 1;
        } else if let Some(file) = files.last_mut() {
            // Only after both names, since a mail may quote a hunk's header alone.
            if file.named && line.starts_with("@@") {
                at = hunk(&lines, at, file)?;
                continue;
            }
            extended(line, file);
        }
        at += 1;
    }
    if files.is_empty() { Err(Wrong::None) } else { Ok(files) }
}

/// The names of `---` and `+++` lines that belong together. A hunk must follow: mails have lines of dashes, too.
pub(super) fn names(lines: &[&str]) -> Option<(Option<String>, Option<String>)> {
    let old = lines[0].strip_prefix("--- ")?;
    let new = lines.get(1)?.strip_prefix("+++ ")?;
    // A mail may have a line of dashes and one of plus signs; a hunk after them makes it a diff.
    lines.get(2)?.starts_with("@@").then(|| (name(old), name(new)))
}

/// A name without the date that may follow it; None for `/dev/null`, which stands for no file.
fn name(text: &str) -> Option<String> {
    // `diff -u` puts the date after a tab.
    let name = text.split('\t').next().unwrap_or_default();
    // Where the tab was lost, a blank is before the date; the kernel has no blanks in names.
    let name = name.split(' ').next().unwrap_or_default().trim_matches('"');
    (name != "/dev/null").then(|| name.to_owned())
}

/// Both names of a `diff --git` line. They are all there is when a file is renamed or its mode changes.
fn git_names(text: &str) -> (Option<String>, Option<String>) {
    let text = text.trim_end();
    match text.split_once(" b/") {
        // git's usual form, in which even names with blanks can be separated.
        Some((old, new)) => (Some(old.to_owned()), Some(format!("b/{new}"))),
        None => text.split_once(' ').map_or((name(text), name(text)), |(old, new)| (name(old), name(new))),
    }
}

/// Notes what one of git's header lines says. Those that change nothing here, as `index` and `similarity`, are skipped.
fn extended(line: &str, file: &mut FileDiff) {
    // These lines come before the names; later ones are text of a mail.
    if file.named {
        return;
    }
    let special = [
        ("rename from ", Special::Rename),
        ("copy from ", Special::Copy),
        ("GIT binary patch", Special::Binary),
        ("Binary files ", Special::Binary),
    ];
    if let Some((_, special)) = special.into_iter().find(|(begin, _)| line.starts_with(begin)) {
        file.special = Some(special);
    } else if line.starts_with("new file mode") {
        file.old = None;
    } else if line.starts_with("deleted file mode") {
        file.new = None;
    }
}

/// The hunk whose header is line `at`, without its lines.
///
/// # Errors
/// The header is illegible.
pub(super) fn begin(lines: &[&str], at: usize) -> Result<Hunk, Wrong> {
    let header = lines[at];
    let wrong = || Wrong::Header { at: at + 1, line: header.to_owned() };
    let ((start, old), new) = ranges(header).ok_or_else(wrong)?;
    let function = header[2..].split_once("@@").map_or("", |(_, function)| function.trim()).to_owned();
    Ok(Hunk { header: short(header), at: at + 1, start, counts: (old, new), function, lines: Vec::new() })
}

/// Reads the hunk whose header is line `at`, and returns the number of the line after it.
///
/// # Errors
/// The header is illegible, or its counts are not those of the lines.
fn hunk(lines: &[&str], at: usize, file: &mut FileDiff) -> Result<usize, Wrong> {
    let mut hunk = begin(lines, at)?;
    let (mut old, mut new) = hunk.counts;
    let header = hunk.header.clone();
    let count = |what| Wrong::Count { at: at + 1, header: header.clone(), what };
    let mut next = at + 1;
    // The counts say where the hunk ends: what follows may look like a line of it.
    while old > 0 || new > 0 {
        let line = *lines.get(next).ok_or_else(|| count("ends before it is complete"))?;
        let text = || format!("{}\n", line.get(1..).unwrap_or_default());
        match line.as_bytes().first() {
            // Some editors and mail programs remove the blank of an empty context line.
            Some(b' ') | None if old > 0 && new > 0 => {
                (old, new) = (old - 1, new - 1);
                hunk.lines.push(Line::Context(text()));
            }
            Some(b'-') if old > 0 => {
                old -= 1;
                hunk.lines.push(Line::Delete(text()));
            }
            Some(b'+') if new > 0 => {
                new -= 1;
                hunk.lines.push(Line::Insert(text()));
            }
            Some(b'\\') => no_line_end(&mut hunk),
            Some(b' ' | b'-' | b'+') => return Err(count("has other lines than its header says")),
            _ => return Err(count("ends before it is complete")),
        }
        next += 1;
    }
    if let Some(line) = lines.get(next) {
        // The note about the line end may come after the last line, too.
        if line.starts_with('\\') {
            no_line_end(&mut hunk);
            next += 1;
        // Such a line looks as if it were the hunk's, and leaving it out would apply a part of the patch.
        } else if line.starts_with('+') || (line.starts_with('-') && !line.starts_with("--")) {
            return Err(count("has more lines than its header says"));
        }
    }
    file.hunks.push(hunk);
    Ok(next)
}

/// Takes the line end off the last line: `\ No newline at end of file` is about the line before it.
pub(super) fn no_line_end(hunk: &mut Hunk) {
    if let Some(line) = hunk.lines.last_mut() {
        // The line before has been given a line end that the file does not have.
        line.text_mut().pop();
    }
}

/// A header without the function's name that git adds: errors quote it, and the ranges identify the hunk.
fn short(header: &str) -> String {
    header[2..].split_once("@@").map_or_else(|| header.to_owned(), |(ranges, _)| format!("@@{ranges}@@"))
}

/// The old range's start and length and the new one's length. A length that is left out is 1.
fn ranges(header: &str) -> Option<((usize, usize), usize)> {
    let (ranges, _) = header.strip_prefix("@@ -")?.split_once(" @@")?;
    let (old, new) = ranges.split_once(" +")?;
    let range = |text: &str| match text.split_once(',') {
        Some((start, length)) => Some((start.parse().ok()?, length.parse().ok()?)),
        // A range without a length is one line.
        None => Some((text.parse().ok()?, 1)),
    };
    Some((range(old)?, range(new)?.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIT: &str = "Subject: x\n---\n f | 2 +-\n\ndiff --git a/f b/f\nindex 1..2 100644\n--- a/f\n+++ b/f\n\
        @@ -1,3 +1,3 @@ int f(void)\n a\n-b\n+c\n\n-- \n2.39\n";

    #[test]
    fn git_diffs() {
        let files = parse(GIT).unwrap();
        assert_eq!((files.len(), files[0].old.as_deref(), files[0].new.as_deref()), (1, Some("a/f"), Some("b/f")));
        let hunk = &files[0].hunks[0];
        assert_eq!((hunk.header.as_str(), hunk.at, hunk.start), ("@@ -1,3 +1,3 @@", 9, 1));
        assert_eq!(hunk.side(false), ["a\n", "b\n", "\n"], "an empty line is empty context");
        assert_eq!(hunk.side(true), ["a\n", "c\n", "\n"]);
    }

    #[test]
    fn what_is_no_text() {
        let one = |head: &str| parse(&format!("diff --git a/f b/g\n{head}\n")).unwrap().remove(0);
        assert_eq!(one("rename from f\nrename to g").special, Some(Special::Rename));
        assert_eq!(one("GIT binary patch\nliteral 4").special, Some(Special::Binary));
        assert_eq!(one("new file mode 100644").old, None);
        assert_eq!(one("deleted file mode 100644").new, None);
        assert_eq!(one("old mode 100644\nnew mode 100755").hunks, []);
    }

    #[test]
    fn counts_must_be_right() {
        let diff = |body: &str| parse(&format!("--- a/f\n+++ b/f\n{body}")).unwrap_err().to_string();
        assert!(diff("@@ -1,2 +1,2 @@\n a\n").contains("ends before it is complete"));
        assert!(diff("@@ -1,2 +1,2 @@\n a\nb\n").contains("ends before it is complete"));
        assert!(diff("@@ -1,1 +1,2 @@\n-a\n-b\n").contains("other lines than"));
        assert!(diff("@@ -1 +1 @@\n-a\n+b\n+c\n").contains("more lines than"));
        assert!(diff("@@ -x +1 @@\n-a\n").contains("line 3 is no hunk header"));
        assert!(parse("").is_err() && parse("--- a\n+++ b\n").is_err());
    }

    #[test]
    fn a_last_line_without_end() {
        let text = "--- f\n+++ f\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file\n";
        let hunk = parse(text).unwrap().remove(0).hunks.remove(0);
        assert_eq!(hunk.lines, [Line::Delete("a".into()), Line::Insert("b".into())]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "(--- a\n|\\+\\+\\+ b\n|@@ -1,2 \\+1 @@\n|@@|diff --git | x\n|-y\n|\\+z\n|\\\\\n|é\n){0,12}") {
            let _ = parse(&text);
        }
    }
}
