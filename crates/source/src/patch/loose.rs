// SPDX-License-Identifier: GPL-2.0-only
//! Reading hunks whose counts and blanks cannot be trusted: what an answer quotes, or what a web page shows.
//!
//! A hunk goes on to the next header. Which of its lines are context and which are a mail's text is left open here: the
//! file that the hunk is for says it, see [`fit`](super::fit).

use super::diff::{self, FileDiff, Line, Wrong};

/// Reads all diffs in `text`, which has no quoting any more.
///
/// # Errors
/// There is no diff, a hunk's header is illegible, or a hunk has nothing that it adds or removes.
pub(super) fn parse(text: &str) -> Result<Vec<FileDiff>, Wrong> {
    // Blank lines between the names and the first hunk come and go, and the strict reader of names knows none.
    diff::parse_with(&joined(text), hunk)
}

/// `text` without the blank lines between the lines that name a file and its first hunk. Others stay, so that a hunk's
/// empty lines are still there.
fn joined(text: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    let mut waits = false;
    for line in text.lines() {
        if waits && line.trim().is_empty() {
            continue;
        }
        waits = line.starts_with("--- ") || (waits && line.starts_with("+++ "));
        out.push(line);
    }
    out.join("\n") + "\n"
}

fn hunk(lines: &[&str], at: usize, file: &mut FileDiff) -> Result<usize, Wrong> {
    let mut hunk = diff::begin(lines, at)?;
    let mut next = at + 1;
    while next < lines.len() && !ends(&lines[next..]) {
        let line = lines[next];
        let rest = || format!("{}\n", &line[1..]);
        match line.as_bytes().first() {
            Some(b'+') => hunk.lines.push(Line::Insert(rest())),
            Some(b'-') => hunk.lines.push(Line::Delete(rest())),
            Some(b' ') => hunk.lines.push(Line::Context(rest())),
            Some(b'\\') if line.starts_with("\\ No newline") => diff::no_line_end(&mut hunk),
            _ => hunk.lines.push(Line::Bare(format!("{line}\n"))),
        }
        next += 1;
    }
    if !hunk.lines.iter().any(Line::changes) {
        let header = hunk.header;
        return Err(Wrong::Count { at: at + 1, header, what: "adds no line and removes none" });
    }
    file.hunks.push(hunk);
    Ok(next)
}

/// Whether a hunk ends before these lines: the next one or the next file's begins, or the signature below the patch.
fn ends(lines: &[&str]) -> bool {
    let line = lines[0];
    line.starts_with("@@ -")
        || line.starts_with("diff --git ")
        || line.trim_end() == "--"
        || diff::names(lines).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hunk_goes_on_to_the_next_header() {
        let text = "--- a/f\n\n+++ b/f\n\n@@ -1,9 +1,9 @@ int f(void)\nint a;\n\n-b\n+c\n@@ -20 +20 @@\n d\n+e\nBye\n-- \n2.39\n";
        let file = parse(text).unwrap().remove(0);
        let bare = |text: &str| Line::Bare(text.to_owned());
        assert_eq!(file.hunks[0].lines[..2], [bare("int a;\n"), bare("\n")]);
        assert_eq!((file.hunks[0].lines.len(), file.hunks[0].function.as_str()), (4, "int f(void)"));
        assert_eq!(file.hunks[1].lines[2..], [bare("Bye\n")]);
    }

    #[test]
    fn a_hunk_changes_something() {
        let error = parse("--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\n b\n").unwrap_err().to_string();
        assert_eq!(error, "the hunk on line 3 (@@ -1,2 +1,2 @@) adds no line and removes none");
        assert!(parse("--- a/f\n+++ b/f\n@@ x\n+a\n").unwrap_err().to_string().contains("no hunk header"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "(--- a\n|\\+\\+\\+ b\n|@@ -1,2 \\+1 @@\n|@@|diff --git | x\n|-y\n|\\+z\n|\\\\\n|é\n){0,12}") {
            let _ = parse(&text);
        }
    }
}
