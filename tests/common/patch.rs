// SPDX-License-Identifier: GPL-2.0-only
//! Patches made from the tree's own text while a test runs: of the kernel's text, this repository has the anchors only.

use std::ops::Range;

use percuss::tree::Tree;

/// One place of a patch, and what is there afterwards.
pub struct Edit {
    file: &'static str,
    /// Where the anchor is looked for; the whole file when empty.
    function: &'static str,
    /// One statement or less. Whitespace does not matter.
    anchor: &'static str,
    /// Which match is meant, counted from 1 in the text as earlier edits left it. 0 means all.
    nth: usize,
    /// Our own text; `{}` stands for what was there.
    text: &'static str,
}

/// An edit in mm/percpu.c.
pub const fn c(function: &'static str, anchor: &'static str, text: &'static str) -> Edit {
    Edit { file: "mm/percpu.c", function, anchor, nth: 1, text }
}

/// An edit in mm/percpu-vm.c.
pub const fn vm(function: &'static str, anchor: &'static str, text: &'static str) -> Edit {
    Edit { file: "mm/percpu-vm.c", ..c(function, anchor, text) }
}

/// An edit in mm/percpu-internal.h.
pub const fn header(function: &'static str, anchor: &'static str, text: &'static str) -> Edit {
    Edit { file: "mm/percpu-internal.h", ..c(function, anchor, text) }
}

impl Edit {
    pub const fn nth(self, nth: usize) -> Edit {
        Edit { nth, ..self }
    }

    pub const fn all(self) -> Edit {
        self.nth(0)
    }

    /// `text` with the edit in it.
    fn apply(&self, text: &str) -> String {
        let part = if self.function.is_empty() { 0..text.len() } else { function(text, self.function) };
        let found = matches(text, part, self.anchor);
        let Edit { function, anchor, nth, .. } = *self;
        assert!(found.len() >= nth.max(1), "{function}() has {} of `{anchor}`", found.len());
        let chosen = if nth == 0 { &found[..] } else { &found[nth - 1..nth] };
        let mut out = text.to_owned();
        // From the end, so that the places before it stay where they are.
        for at in chosen.iter().rev() {
            out.replace_range(at.clone(), &self.text.replace("{}", &text[at.clone()]));
        }
        out
    }
}

/// The definition of a function: it begins at the start of a line, and ends with the first brace that does.
fn function(text: &str, name: &str) -> Range<usize> {
    let is_definition = |at: &usize| {
        let line = text[..*at].rfind('\n').map_or(0, |end| end + 1);
        let rest = &text[*at..];
        // A declaration has a semicolon where a definition has a brace; comments and calls do not begin a line.
        text[line..].starts_with(|c: char| c.is_ascii_alphabetic()) && rest.find('{') < rest.find(';')
    };
    let whole = |at: usize| !text[..at].ends_with(|c: char| c == '_' || c.is_ascii_alphanumeric());
    let call = format!("{name}(");
    let mut places = text.match_indices(&call).map(|(at, _)| at).filter(|at| whole(*at));
    let start = places.find(is_definition).unwrap_or_else(|| panic!("no function {name}"));
    start..start + text[start..].find("\n}").expect("a function ends") + 2
}

/// Where `anchor` is in a part of `text`, as whole words.
fn matches(text: &str, part: Range<usize>, anchor: &str) -> Vec<Range<usize>> {
    let word = |b: Option<&u8>| b.is_some_and(|b| *b == b'_' || b.is_ascii_alphanumeric());
    let bytes = text.as_bytes();
    let whole = |at: &Range<usize>| {
        let splits = |left: usize| left > 0 && word(bytes.get(left - 1)) && word(bytes.get(left));
        !splits(at.start) && !splits(at.end)
    };
    part.filter_map(|start| Some(start..end_of_match(bytes, start, anchor)?)).filter(whole).collect()
}

/// The end of `anchor` when it begins at `start`. Blanks and line ends may be anywhere in it.
fn end_of_match(bytes: &[u8], start: usize, anchor: &str) -> Option<usize> {
    let mut at = start;
    for wanted in anchor.bytes().filter(|b| !b.is_ascii_whitespace()) {
        // The first character is where the match begins.
        while at > start && bytes.get(at)?.is_ascii_whitespace() {
            at += 1;
        }
        if *bytes.get(at)? != wanted {
            return None;
        }
        at += 1;
    }
    Some(at)
}

/// A patch with these edits, as `git diff` writes it.
pub fn diff(tree: &Tree, edits: &[Edit]) -> String {
    let mut files: Vec<(&str, String, String)> = Vec::new();
    for edit in edits {
        if !files.iter().any(|(file, ..)| *file == edit.file) {
            let old = std::fs::read_to_string(tree.path(edit.file)).unwrap();
            files.push((edit.file, old.clone(), old));
        }
        let (.., new) = files.iter_mut().find(|(file, ..)| *file == edit.file).expect("it was read");
        *new = edit.apply(new);
    }
    let of_file = |(file, old, new): &(&str, String, String)| {
        assert_ne!(old, new, "the edits of {file} change nothing");
        let text = diffy::create_patch(old, new).to_string();
        let named = text.replacen("--- original", &format!("--- a/{file}"), 1);
        named.replacen("+++ modified", &format!("+++ b/{file}"), 1)
    };
    files.iter().map(of_file).collect()
}
