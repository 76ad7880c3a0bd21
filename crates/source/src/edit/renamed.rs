// SPDX-License-Identifier: GPL-2.0-only
//! An anchor in a tree that calls its local variables otherwise.
//!
//! Words stand for words: each local name of the anchor for one of the tree's, everywhere the same. Functions, members
//! of structures, constants and the allocator's globals keep their names, for they are what makes a statement the one
//! that is meant; a function may have the suffix that allocation profiling gave it.

use std::ops::Range;

use crate::text::Text;

/// Local names of an anchor, and what the tree calls each.
pub(super) type Names = Vec<(String, String)>;

/// Suffix of functions whose callers are counted; trees before it lack it.
pub(super) const NOPROF: &str = "_noprof";

#[derive(Debug, Clone, PartialEq, Eq)]
struct Word<'t> {
    text: &'t str,
    at: usize,
    /// Whether it may be called otherwise in another tree.
    local: bool,
}

const KEYWORDS: [&str; 22] = [
    "if", "else", "for", "while", "do", "return", "break", "continue", "goto", "switch", "case", "default", "int",
    "unsigned", "long", "void", "struct", "bool", "static", "const", "sizeof", "char",
];

/// The places in `part` where the anchor stands with other local names, each with these names.
pub(super) fn occurrences(text: &str, code: &[Text], part: Range<usize>, anchor: &str) -> Vec<(Range<usize>, Names)> {
    let wanted = words(anchor, 0, |_| true);
    // A statement of local names only is like any other of its shape.
    if !wanted.iter().any(|word| named(word) && !KEYWORDS.contains(&word.text)) {
        return Vec::new();
    }
    let tree = words(&text[part.clone()], part.start, |at| code[at] != Text::Aside);
    let mut found = Vec::new();
    for window in tree.windows(wanted.len()) {
        if let Some(names) = renamed(&wanted, window) {
            let last = &window[window.len() - 1];
            found.push((window[0].at..last.at + last.text.len(), names));
        }
    }
    found
}

/// A word whose name tells which statement it is in.
fn named(word: &Word<'_>) -> bool {
    !word.local && word.text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// The names by which `window` is `wanted`. None when it is something else.
fn renamed(wanted: &[Word<'_>], window: &[Word<'_>]) -> Option<Names> {
    let mut names = Names::new();
    for (a, b) in wanted.iter().zip(window) {
        if a.local != b.local {
            return None;
        }
        if !a.local {
            let plain = |word: &str| word.strip_suffix(NOPROF).unwrap_or(word).to_owned();
            if plain(a.text) != plain(b.text) {
                return None;
            }
            continue;
        }
        // One name for one: two variables of the anchor are not one of the tree.
        match names.iter().find(|(from, to)| from == a.text || to == b.text) {
            Some((from, to)) if from == a.text && to == b.text => {}
            Some(_) => return None,
            None => names.push((a.text.to_owned(), b.text.to_owned())),
        }
    }
    Some(names)
}

/// The words and signs of C text whose bytes pass `counts`; `base` is where the text begins.
fn words(text: &str, base: usize, counts: impl Fn(usize) -> bool) -> Vec<Word<'_>> {
    let bytes = text.as_bytes();
    let part = |b: u8| b == b'_' || b.is_ascii_alphanumeric();
    let mut found: Vec<Word<'_>> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let end = match part(bytes[at]) {
            true => (at..bytes.len()).find(|&i| !part(bytes[i])).unwrap_or(bytes.len()),
            // Not in the middle of a character.
            false => (at + 1..=bytes.len()).find(|&i| text.is_char_boundary(i)).unwrap_or(bytes.len()),
        };
        if !bytes[at].is_ascii_whitespace() && counts(base + at) {
            let word = &text[at..end];
            let calls = text[end..].trim_start().starts_with('(');
            let member = found.last().is_some_and(|last| last.text == ".")
                || matches!(&found[..], [.., a, b] if a.text == "-" && b.text == ">");
            let small = word.starts_with(|c: char| c == '_' || c.is_ascii_lowercase())
                && word.bytes().all(|b| b == b'_' || b.is_ascii_lowercase() || b.is_ascii_digit());
            let ours = word.starts_with("pcpu_") || word.starts_with("__") || KEYWORDS.contains(&word);
            found.push(Word { text: word, at: base + at, local: small && !calls && !member && !ours });
        }
        at = end;
    }
    found
}

/// `text` with the tree's names for the anchor's.
pub(super) fn rename(text: &str, names: &Names) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for word in words(text, 0, |_| true) {
        let Some((_, to)) = names.iter().find(|(from, _)| word.local && from == word.text) else { continue };
        out += &text[done..word.at];
        out += to;
        done = word.at + word.text.len();
    }
    out + &text[done..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, anchor: &str) -> Vec<(String, Names)> {
        let code = vec![Text::Code; text.len()];
        let all = occurrences(text, &code, 0..text.len(), anchor);
        all.into_iter().map(|(range, names)| (text[range].to_owned(), names)).collect()
    }

    #[test]
    fn local_names_may_differ() {
        let text = "if (free(chunk, page, last))\n\tbreak;\nnr = kzalloc_noprof(page->size, GFP_X);";
        let hit = found(text, "free(chunk, i, end)");
        assert_eq!(hit.len(), 1);
        assert_eq!(hit[0].0, "free(chunk, page, last)");
        assert_eq!(rename("f(i, end + i, p->i);", &hit[0].1), "f(page, last + page, p->i);");
        assert_eq!(found(text, "x = kzalloc(y->size, GFP_X);").len(), 1);
    }

    #[test]
    fn what_makes_a_statement_may_not() {
        let text = "take(a, a); a->size = 1; pcpu_nr = b; GFP(A_X);";
        for other in ["take(a, b)", "take(b, c)", "a->length = 1;", "pcpu_other = b;", "GFP(A_Y);", "b = c;"] {
            assert!(found(text, other).is_empty(), "{other}");
        }
        assert_eq!(found(text, "take(b, b)").len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "[fé_(){}.>;*-]{0,30}", anchor in "[f(){};*>-]{1,4}") {
            for (found, _) in found(&text, &anchor) {
                proptest::prop_assert!(text.contains(&found));
            }
        }
    }
}
