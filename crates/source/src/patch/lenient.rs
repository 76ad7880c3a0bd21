// SPDX-License-Identifier: GPL-2.0-only
//! Patches that a web archive, a mail program or a clipboard damaged: quoted, escaped for HTML, tabs made blanks.
//!
//! Lines are compared without regard to blanks; what is put into the tree gets its leading tabs back. Lines that were
//! wrapped are not put together again.

use std::borrow::Cow;

/// Levels of quoting that are taken away at most. Threads seldom go deeper, and a text made of `>` must not cost a pass
/// for each of them.
const QUOTES: usize = 8;
/// Columns of a tab, as everywhere in the kernel.
const TAB: usize = 8;

/// Whether two lines differ in blanks at most. Blanks that come or go within a word do count, so `a b` is not `ab`.
pub(super) fn same(a: &str, b: &str) -> bool {
    a.split_whitespace().eq(b.split_whitespace())
}

/// `text` with line ends, quoting, HTML entities and odd blanks as a patch has them. Tabs are not guessed here, since
/// that needs the tree; see [`Mending`].
pub(super) fn clean(text: &str) -> String {
    // Some archives put zero-width spaces into long words, to let them wrap.
    let mut text = text.replace("\r\n", "\n").replace('\u{200b}', "");
    // Before the quoting, whose marks may be escaped as well.
    if escaped(&text) {
        text = entities(&text);
    }
    let mut text = text.replace(['\u{a0}', '\u{202f}'], " ");
    for _ in 0..QUOTES {
        match unquoted(&text) {
            Some(inner) => text = inner,
            None => break,
        }
    }
    text
}

/// Whether a line begins as only those of a diff do.
fn marks(line: &str) -> bool {
    line.starts_with("@@ -") || line.starts_with("diff --git ")
}

/// The text below one level of quoting; lines that are not quoted are the answer and go. None when the diff is not
/// quoted, or there is none.
fn unquoted(text: &str) -> Option<String> {
    // The diff itself is not quoted, so there is nothing to take away.
    if text.lines().any(marks) {
        return None;
    }
    let quote = ["> ", "| ", ">", "|"].into_iter().find(|quote| {
        let inner = text.lines().filter_map(|line| line.strip_prefix(quote));
        inner.into_iter().any(|line| marks(line.trim_start_matches(['>', '|', ' '])))
    })?;
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        // Mail programs drop the blank after the mark where nothing follows it.
        if let Some(inner) = line.strip_prefix(quote).or_else(|| (line == quote.trim_end()).then_some("")) {
            out += inner;
            out.push('\n');
        }
    }
    Some(out)
}

/// Whether the diff was escaped as a whole: then no `<` and no `>` is left in its code.
fn escaped(text: &str) -> bool {
    let code = |line: &&str| line.trim_start_matches(['>', '|', ' ']).starts_with(['+', '-']);
    let raw = |line: &str| line.trim_start_matches(['>', '|', ' ']).contains(['<', '>']);
    let has = ["&lt;", "&gt;", "&amp;", "&quot;", "&#39;", "&nbsp;"].iter().any(|entity| text.contains(entity));
    has && !text.lines().filter(code).any(raw)
}

/// Decodes the entities that archives make; each once, so that `&amp;lt;` becomes `&lt;`, as the C code had it.
fn entities(text: &str) -> String {
    const ENTITIES: [(&str, &str); 7] = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&apos;", "'"),
        ("&nbsp;", " "),
        ("&amp;", "&"),
    ];
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out += &rest[..at];
        rest = &rest[at..];
        // An `&` that begins no entity is C code.
        let (entity, plain) = ENTITIES.into_iter().find(|(e, _)| rest.starts_with(e)).unwrap_or(("&", "&"));
        out += plain;
        rest = &rest[entity.len()..];
    }
    out + rest
}

/// How inserted lines get their tabs back, learnt from lines that are in the tree.
///
/// A patch whose tabs became blanks still says how deep each line is. Context and deleted lines show which tabs and
/// blanks the tree has at a depth; a depth that is seen nowhere gets as many tabs as fit.
#[derive(Debug)]
pub(super) struct Mending {
    /// Columns of leading blanks in the patch, and the tabs and blanks that the tree has there.
    known: Vec<(usize, String)>,
    /// 1 when the patch's marker took one column of the first tab's: a terminal shows `+<tab>` as eight columns, so
    /// copied text has seven blanks after the marker.
    short: usize,
}

impl Mending {
    /// Learns from lines of the patch and the same lines of the tree.
    pub fn of(patch: &[&str], tree: &[&str]) -> Mending {
        let pairs = patch.iter().zip(tree).filter(|(p, _)| !p.trim().is_empty());
        let known: Vec<(usize, String)> = pairs.map(|(p, t)| (columns(lead(p)), lead(t).to_owned())).collect();
        // One line that is short by a column shows it for all: they were copied together.
        let short = known.iter().any(|(width, lead)| *width + 1 == columns(lead)) as usize;
        Mending { known, short }
    }

    /// The line as it belongs into the tree. One that has a tab already, or no indentation, is left as it is.
    pub fn mend<'t>(&self, line: &'t str) -> Cow<'t, str> {
        let old = lead(line);
        let body = &line[old.len()..];
        if body.trim().is_empty() {
            // The kernel has no blanks on empty lines.
            return Cow::Borrowed(line.trim_start_matches([' ', '\t']));
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
    fn quoting_goes_with_what_was_answered() {
        let patch = "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n";
        for (mark, levels) in [("> ", 1), (">", 1), ("| ", 1), ("> ", 2)] {
            let quote = |text: String| text.lines().map(|l| format!("{mark}{l}\n")).collect::<String>();
            let quoted = (0..levels).fold(patch.to_owned(), |text, _| quote(text));
            assert_eq!(clean(&format!("Hello,\n{quoted}\nBye\n")), patch, "{mark:?} {levels}");
        }
        assert_eq!(clean(patch), patch);
        assert_eq!(clean("> no patch\n"), "> no patch\n");
    }

    #[test]
    fn entities_are_decoded_where_all_is_escaped() {
        let escaped = "@@ -1 +1 @@\n-p-&gt;a &amp;&amp; &quot;x&quot;\n+&amp;lt;\n";
        assert_eq!(clean(escaped), "@@ -1 +1 @@\n-p->a && \"x\"\n+&lt;\n");
        let raw = "@@ -1 +1 @@\n-p->a\n+f(&lt;);\n";
        assert_eq!(clean(raw), raw, "a variable may be called lt");
    }

    #[test]
    fn tabs_come_back() {
        let mending = Mending::of(&["        a\n", "b\n"], &["\ta\n", "b\n"]);
        assert_eq!(mending.mend("        c\n"), "\tc\n");
        assert_eq!(mending.mend("                c\n"), "\t\tc\n");
        assert_eq!(mending.mend("            c\n"), "\t    c\n");
        assert_eq!(mending.mend("   \n"), "\n");
        // The marker took the first column of each tab.
        let mending = Mending::of(&["       a\n"], &["\ta\n"]);
        assert_eq!(mending.mend("               c\n"), "\t\tc\n");
        assert_eq!(mending.mend("c\n"), "c\n");
    }
}
