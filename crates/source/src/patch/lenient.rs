// SPDX-License-Identifier: GPL-2.0-only
//! Patches that a web archive, a mail program or a clipboard damaged: quoted, escaped for HTML, tabs made blanks.
//!
//! Here the text gets its line ends, signs and columns back; what needs the file is done in [`fit`](super::fit). Lines
//! that were wrapped are not put together again.

/// Whether two lines differ in blanks at most. Blanks that come or go within a word do count, so `a b` is not `ab`.
pub(super) fn same(a: &str, b: &str) -> bool {
    a.split_whitespace().eq(b.split_whitespace())
}

/// `text` with line ends, HTML entities and odd blanks as a patch has them, and without quoting: of a quoted diff, the
/// lines that are quoted less are the answer and go. Tabs are not guessed here, since that needs the tree.
pub(super) fn clean(text: &str) -> String {
    // Some archives put zero-width spaces into long words, to let them wrap.
    let mut text = text.replace("\r\n", "\n").replace(['\u{200b}', '\u{feff}'], "");
    // Before the quoting, whose marks may be escaped as well.
    if escaped(&text) {
        text = entities(&text);
    }
    let text = text.replace(['\u{a0}', '\u{202f}'], " ");
    match quoting(&text) {
        None => text,
        Some((marks, blanks)) => {
            let inner = text.lines().filter_map(|line| strip(line, marks, blanks));
            inner.map(|line| format!("{line}\n")).collect()
        }
    }
}

/// Whether a line begins as only those of a diff do.
fn marks(line: &str) -> bool {
    line.starts_with("@@ -") || line.starts_with("diff --git ")
}

/// What stands before the lines of the diff: marks of quoting, and blanks after them. None when it is nothing.
///
/// Of several diffs the one that is quoted least counts: an answer that has a patch of its own is newer than what it
/// quotes. The blanks are those before the diff's own headers, as other lines may have blanks of the code.
fn quoting(text: &str) -> Option<(usize, usize)> {
    let of = |line: &str| {
        let body = line.trim_start_matches(['>', '|', ' ']);
        let front = &line[..line.len() - body.len()];
        let blanks = front.len() - front.trim_end_matches(' ').len();
        marks(body).then(|| (front.matches(['>', '|']).count(), blanks))
    };
    let fronts: Vec<(usize, usize)> = text.lines().filter_map(of).collect();
    let least = fronts.iter().map(|(marks, _)| *marks).min()?;
    let blanks = fronts.iter().filter(|(marks, _)| *marks == least).map(|(_, blanks)| *blanks).max()?;
    (least > 0 || blanks > 0).then_some((least, blanks))
}

/// The line without this many marks, which may have blanks between them, and without this many blanks after them, or
/// fewer where fewer are left. None when it has fewer marks.
fn strip(line: &str, marks: usize, blanks: usize) -> Option<&str> {
    let mut rest = line;
    for _ in 0..marks {
        rest = rest.trim_start_matches(' ').strip_prefix(['>', '|'])?;
    }
    let extra = rest.len() - rest.trim_start_matches(' ').len();
    Some(&rest[extra.min(blanks)..])
}

/// What archives make of signs, as names and as numbers. The last is decoded like the others, once: `&amp;lt;` was
/// `&lt;` in the C code.
const ENTITIES: [(&str, &str); 13] = [
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", "\""),
    ("&apos;", "'"),
    ("&nbsp;", " "),
    ("&#9;", "\t"),
    ("&#32;", " "),
    ("&#34;", "\""),
    ("&#39;", "'"),
    ("&#x27;", "'"),
    ("&#60;", "<"),
    ("&#62;", ">"),
    ("&amp;", "&"),
];

/// Whether the diff was escaped as a whole: then no `<` and no `>` is left in its code.
fn escaped(text: &str) -> bool {
    let code = |line: &&str| line.trim_start_matches(['>', '|', ' ']).starts_with(['+', '-']);
    let raw = |line: &str| line.trim_start_matches(['>', '|', ' ']).contains(['<', '>']);
    let has = ENTITIES.iter().any(|(entity, _)| text.contains(entity));
    has && !text.lines().filter(code).any(raw)
}

/// Decodes the entities that archives make; each once, so that `&amp;lt;` becomes `&lt;`, as the C code had it.
fn entities(text: &str) -> String {
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
        // Marks with and without blanks between them, as different programs on the way to the archive write them.
        assert_eq!(
            clean("> Why?\n>> @@ -1 +1 @@\n> >  a\n>>-b\n>>\n> That is wrong.\n>>+c\n"),
            "@@ -1 +1 @@\n a\n-b\n\n+c\n"
        );
        assert_eq!(clean("  @@ -1 +1 @@\n   a\n  -b\n"), "@@ -1 +1 @@\n a\n-b\n", "indented as a whole");
        assert_eq!(clean("> no patch\n"), "> no patch\n");
    }

    #[test]
    fn entities_are_decoded_where_all_is_escaped() {
        let escaped = "@@ -1 +1 @@\n-p-&gt;a &amp;&amp; &quot;x&quot;\n+&amp;lt;\n";
        assert_eq!(clean(escaped), "@@ -1 +1 @@\n-p->a && \"x\"\n+&lt;\n");
        let raw = "@@ -1 +1 @@\n-p->a\n+f(&lt;);\n";
        assert_eq!(clean(raw), raw, "a variable may be called lt");
        assert_eq!(clean("&gt; @@ -1 +1 @@\n&gt; +&#9;p-&gt;a &#60; 1;\n"), "@@ -1 +1 @@\n+\tp->a < 1;\n");
    }
}
