// SPDX-License-Identifier: GPL-2.0-only
//! Finding a change's place in C text: function by name, anchor by its characters without whitespace and comments.
//!
//! This is no parser of C. It knows literals, comments, preprocessor lines and matching brackets, which is enough for
//! the kernel's style, and anything it takes for a wrong place shows as an anchor that is not found.

use std::ops::Range;

use super::error::Wanted;
use super::renamed::{self, NOPROF, Names};
use super::{Action, Change, EditError, Part};
use crate::text::{Text, code_mask};

/// `text` with `change` made in it. Lines keep their numbers, so that a report's line is the tree's: what is put in
/// stands on one line, and line ends of what goes stay.
///
/// # Errors
/// The function is not defined, or the anchor is not there as often as it should be; `edit` names the edit in the
/// error.
pub(super) fn change(edit: &str, text: &str, change: &Change) -> Result<String, EditError> {
    let code = code_mask(text);
    // In the order of the edit's names, of which a tree has one.
    let found = function_names(change).map(|name| {
        let parts = definitions(text, &code, &name, change.part);
        (name, parts)
    });
    let Some((function, parts)) = found.into_iter().find(|(_, parts)| !parts.is_empty()) else {
        let (edit, file) = (edit.to_owned(), change.file.clone());
        return Err(EditError::NoFunction { edit, file, function: change.functions().join(" or ") });
    };
    let (place, names) = find(text, &code, &parts, change).map_err(|found| EditError::Anchor {
        edit: edit.to_owned(),
        place: format!("{}, {function}()", change.file),
        anchor: change.anchors().iter().map(|anchor| one_line(anchor)).collect::<Vec<_>>().join("` or `"),
        found,
        wanted: change.nth.map_or(Wanted::Once, Wanted::Nth),
    })?;

    // Marked, so that a compiler message or a saved overlay shows what is not the kernel's.
    let ours = format!("/* percuss {edit} */ {}", renamed::rename(&one_line(&change.text), &names));
    let gone = &text[place.clone()];
    let line_ends = "\n".repeat(gone.matches('\n').count());
    let put = match change.action {
        Action::Replace => format!("{ours}{line_ends}"),
        Action::Before => format!("{ours} {gone}"),
        Action::After => format!("{gone} {ours}"),
        Action::Delete => {
            // What deletes part of an expression must not put a semicolon into it.
            let rest = if gone.ends_with([';', '}']) { ";" } else { "" };
            format!("{ours}{rest}{line_ends}")
        }
    };
    Ok(format!("{}{put}{}", &text[..place.start], &text[place.end..]))
}

/// The names that the change gives the function, then the same with and without the suffix of profiled allocations.
fn function_names(change: &Change) -> impl Iterator<Item = String> {
    let other = |name: &String| name.strip_suffix(NOPROF).map_or(format!("{name}{NOPROF}"), str::to_owned);
    change.functions().iter().cloned().chain(change.functions().iter().map(other))
}

/// The place of the change, and what the tree calls the anchor's local variables where that differs. The first of its
/// anchors that is there as often as it should be counts; other names are tried only where none is there at all.
///
/// # Errors
/// How often the anchor that is there at all is there.
fn find(text: &str, code: &[Text], parts: &[Range<usize>], change: &Change) -> Result<(Range<usize>, Names), usize> {
    let mut seen = 0;
    // A conditional function has several definitions; matches count through all of them.
    let pick = |all: Vec<(Range<usize>, Names)>, seen: &mut usize| match (change.nth, all.len()) {
        (None, 1) => all.into_iter().next(),
        (Some(nth), length) if nth <= length => all.into_iter().nth(nth - 1),
        (_, length) => {
            *seen = (*seen).max(length);
            None
        }
    };
    for anchor in change.anchors() {
        let all = parts.iter().flat_map(|part| occurrences(text, code, part.clone(), anchor));
        if let Some(found) = pick(all.map(|place| (place, Names::new())).collect(), &mut seen) {
            return Ok(found);
        }
    }
    // An anchor that is there in part is ambiguous: looking on would find another statement.
    let anchors = if seen == 0 { change.anchors() } else { &[] };
    for anchor in anchors {
        let all = parts.iter().flat_map(|part| renamed::occurrences(text, code, part.clone(), anchor));
        if let Some(found) = pick(all.collect(), &mut seen) {
            return Ok(found);
        }
    }
    Err(seen)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A part, without its brackets, of all definitions of `name`: there are two when `#if` chooses between them.
fn definitions(text: &str, code: &[Text], name: &str, part: Part) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let next = |from: usize| {
        (from..bytes.len()).find(|&i| code[i] == Text::Code && !bytes[i].is_ascii_whitespace()).unwrap_or(bytes.len())
    };
    let mut found = Vec::new();
    for (start, _) in text.match_indices(name) {
        if code[start] != Text::Code || !bounded(bytes, start..start + name.len()) {
            continue;
        }
        // A declaration has a semicolon where a definition has a brace, and a call has neither.
        let parameters = next(start + name.len());
        let Some(list_end) = closing(bytes, code, parameters, b'(', b')') else { continue };
        let brace = next(list_end);
        if let Some(end) = closing(bytes, code, brace, b'{', b'}') {
            found.push(match part {
                Part::Body => brace + 1..end - 1,
                Part::Parameters => parameters + 1..list_end - 1,
            });
        }
    }
    found
}

/// The position after the bracket that closes the one at `at`. None when no bracket is at `at`, or it is never closed.
fn closing(bytes: &[u8], code: &[Text], at: usize, open: u8, close: u8) -> Option<usize> {
    let mut depth = 0;
    for i in (at..bytes.len()).filter(|&i| code[i] == Text::Code) {
        if bytes[i] == open {
            depth += 1;
        } else if bytes[i] == close {
            depth -= 1;
        }
        if depth == 0 {
            return (i > at).then_some(i + 1);
        }
    }
    None
}

fn occurrences(text: &str, code: &[Text], part: Range<usize>, anchor: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let wanted: Vec<u8> = anchor.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    // Positions of the characters that count. Equal windows over them are matches, however the tree breaks its lines.
    let places: Vec<usize> = part.filter(|&i| code[i] != Text::Aside && !bytes[i].is_ascii_whitespace()).collect();
    let mut found = Vec::new();
    for window in places.windows(wanted.len()) {
        let range = window[0]..window[window.len() - 1] + 1;
        let same = window.iter().zip(&wanted).all(|(&place, &byte)| bytes[place] == byte);
        if same && code[window[0]] == Text::Code && bounded(bytes, range.clone()) {
            found.push(range);
        }
    }
    found
}

/// Whether `range` neither begins nor ends within a longer identifier: `near` is not in `nearer`.
fn bounded(bytes: &[u8], range: Range<usize>) -> bool {
    let word =
        |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(|&b| b == b'_' || b.is_ascii_alphanumeric());
    // Only where both sides are parts of identifiers would one be split.
    let splits = |left: Option<usize>, right: usize| word(left) && word(Some(right));
    !splits(range.start.checked_sub(1), range.start) && !splits(range.end.checked_sub(1), range.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const C: &str = r#"
#define loop(x) \
	for (;;) {
static int near(int a);
/* near(a) { } */
static int nearer(int a)
{
	return near(a) + 1;
}
static int near(int a)
{
	char c = '}', *s = "} near(1) {";	// }
	if (a == 1)
		return 0; /* } */
	a = /* one */ a +
	    1;
	a = a + 1;
	return far_return(a);
}
#ifdef X
static void twice(void) { one(); }
#else
static void twice(void) { }
#endif
"#;

    /// An edit of `C`; `more` is another line of it.
    fn edit(function: &str, anchor: &str, more: &str, action: &str, text: &str) -> Result<String, EditError> {
        let toml = format!(
            "file = 'f.c'\nfunction = {function}\nanchor = '{anchor}'\n{more}\naction = '{action}'\ntext = '{text}'"
        );
        change("T1", C, &toml::from_str(&toml).unwrap())
    }

    fn line(text: &str, number: usize) -> &str {
        text.lines().nth(number - 1).unwrap()
    }

    #[test]
    fn finds_the_definition_past_comments_strings_and_macros() {
        let done = edit("'near'", "if (a == 1) return 0;", "", "replace", "''a =\n 2;''").unwrap();
        assert_eq!(line(&done, 13), "\t/* percuss T1 */ a = 2;");
        assert_eq!(done.lines().count(), C.lines().count(), "lines keep their numbers");
        let done = edit("['gone', 'nearer']", "near(a)", "", "replace", "0").unwrap();
        assert_eq!(line(&done, 8), "\treturn /* percuss T1 */ 0 + 1;");
    }

    #[test]
    fn counts_matches() {
        let error = edit("'near'", "a = a + 1;", "", "delete", "").unwrap_err().to_string();
        assert!(error.contains("near() has 2 of `a = a + 1;`, exactly one") && error.contains("`nth`"), "{error}");
        let done = edit("'near'", "a = a+1;", "nth = 2", "delete", "").unwrap();
        assert_eq!(line(&done, 17), "\t/* percuss T1 */ ;");
        let error = edit("'near'", "a = a + 1;", "nth = 3", "delete", "").unwrap_err().to_string();
        assert!(error.contains("number 3 is wanted"), "{error}");
        let error = edit("'near'", "a = a + 2;", "", "delete", "").unwrap_err().to_string();
        assert!(error.contains("has 0 of") && error.contains("too old or too new"), "{error}");
    }

    #[test]
    fn parameters_are_a_part_of_their_own() {
        let part = "part = 'parameters'";
        let done = edit("'near'", "int a", part, "after", ", int b").unwrap();
        assert_eq!(line(&done, 10), "static int near(int a /* percuss T1 */ , int b)");
        assert!(matches!(edit("'near'", "a = a + 1;", part, "delete", ""), Err(EditError::Anchor { found: 0, .. })));
    }

    #[test]
    fn an_anchor_is_no_part_of_a_longer_name() {
        assert!(matches!(edit("'near'", "return(a)", "", "delete", ""), Err(EditError::Anchor { found: 0, .. })));
        assert!(matches!(edit("'nea'", "x", "", "delete", ""), Err(EditError::NoFunction { .. })));
        assert!(matches!(edit("'far_return'", "x", "", "delete", ""), Err(EditError::NoFunction { .. })));
    }

    #[test]
    fn both_definitions_of_a_conditional_function_are_searched() {
        let done = edit("'twice'", "one();", "", "after", "two();").unwrap();
        assert_eq!(line(&done, 21), "static void twice(void) { one(); /* percuss T1 */ two(); }");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_scanned(text in r#"[fé(){};/*"'#\\\n ]{0,60}"#, anchor in "[f(){};*]{1,3}") {
            let code = code_mask(&text);
            for part in [Part::Body, Part::Parameters].map(|part| definitions(&text, &code, "f", part)).concat() {
                for found in occurrences(&text, &code, part, &anchor) {
                    proptest::prop_assert!(text.get(found).is_some());
                }
            }
        }
    }

    #[test]
    fn unfinished_text_does_not_panic() {
        for text in ["", "f(", "f() {", "f() { \"", "f() { /*", "#", "'\\", "f() { #\n", "/*/"] {
            let code = code_mask(text);
            definitions(text, &code, "f", Part::Body);
        }
    }
}
