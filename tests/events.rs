// SPDX-License-Identifier: GPL-2.0-only
//! No `match` on an event has a wildcard arm, so that a new event is a compile error in each consumer that could have
//! to know it. The compiler cannot demand that, hence this reading of the sources.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A source with comments, strings and character literals blanked, so that what is left is code. Same length, same
/// lines.
fn code(source: &str) -> Vec<u8> {
    let bytes = source.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let len = match &bytes[at..] {
            [b'/', b'/', ..] => bytes[at..].iter().position(|b| *b == b'\n').unwrap_or(bytes.len() - at),
            [b'"', rest @ ..] => 1 + string(rest),
            [b'\'', b'\\', ..] => 3 + bytes[at + 3..].iter().position(|b| *b == b'\'').unwrap_or(0),
            // Else it is a lifetime.
            [b'\'', _, b'\'', ..] => 3,
            // Raw strings with one hash are the only kind in the sources.
            [b'r', b'#', b'"', ..] => source[at + 3..].find("\"#").map_or(1, |end| end + 5),
            _ => {
                at += 1;
                continue;
            }
        };
        out[at..at + len].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
        at += len;
    }
    out
}

/// The length of a string literal from after its opening quote, the closing quote included.
fn string(rest: &[u8]) -> usize {
    let mut at = 0;
    while at < rest.len() && rest[at] != b'"' {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

/// The first position from `at` on where one of the wanted texts stands at the bracket depth of `at`, or else the end
/// of the brackets that enclose `at`. Brackets in strings do not count, since `code` has blanked them.
fn find(code: &[u8], mut at: usize, wanted: &[&[u8]]) -> usize {
    let mut depth = 0;
    while at < code.len() {
        if depth == 0 && wanted.iter().any(|w| code[at..].starts_with(w)) {
            return at;
        }
        match code[at] {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' if depth == 0 => return at,
            b')' | b']' | b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    at
}

/// The patterns of a `match`, each with its guard, given the position where its arms start. An arm ends at a comma or,
/// with a block for a body, at the brace that closes it.
fn patterns(code: &[u8], mut at: usize) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    loop {
        while at < code.len() && (code[at].is_ascii_whitespace() || code[at] == b',') {
            at += 1;
        }
        let end = find(code, at, &[b"=>"]);
        if !code[end..].starts_with(b"=>") {
            return out;
        }
        out.push(at..end);
        at = end + 2;
        while at < code.len() && code[at].is_ascii_whitespace() {
            at += 1;
        }
        at = if code.get(at) == Some(&b'{') { find(code, at + 1, &[]) + 1 } else { find(code, at, &[b","]) };
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn words<'c>(code: &'c str, word: &'c str) -> impl Iterator<Item = usize> + 'c {
    let starts = code.match_indices(word).map(|(at, _)| at);
    // `Event::` also stands inside `SigEvent::`, which is another type.
    starts.filter(|at| *at == 0 || !is_word(code.as_bytes()[at - 1]))
}

/// True when the pattern lets events pass that it does not name: `_`, a name for everything, or either inside `Some`. A
/// new event would fall into such an arm without a word of the compiler.
fn passes_all(pattern: &str) -> bool {
    // An arm with a guard does not make a match exhaustive, so the compiler asks for the rest all the same.
    if words(pattern, "if ").next().is_some() {
        return false;
    }
    let mut depth = 0;
    let alternatives = pattern.split(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == '|' && depth == 0
    });
    alternatives.into_iter().any(|alternative| {
        let inner = alternative.trim().trim_start_matches('&');
        let inner = inner.strip_prefix("Some(").and_then(|s| s.strip_suffix(')')).unwrap_or(inner);
        inner.bytes().all(is_word) && inner.starts_with(|c: char| c == '_' || c.is_ascii_lowercase())
    })
}

/// The line numbers of wildcard arms in matches on events. A match counts as one on events when one of its patterns
/// names an event, because the type of what is matched cannot be seen in the text.
fn wildcards(source: &str) -> Vec<usize> {
    let code = code(source);
    let text = String::from_utf8_lossy(&code).into_owned();
    let mut out = Vec::new();
    for at in words(&text, "match ") {
        let body = find(&code, at, &[b"{"]) + 1;
        let patterns = patterns(&code, body);
        let on_event =
            |p: &Range<usize>| words(&text[p.clone()], "Event::").chain(words(&text[p.clone()], "events!")).next();
        if patterns.iter().any(|p| on_event(p).is_some()) {
            let passing = patterns.into_iter().filter(|p| passes_all(&text[p.clone()]));
            out.extend(passing.map(|p| 1 + code[..p.start].iter().filter(|b| **b == b'\n').count()));
        }
    }
    out
}

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the project").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

#[test]
fn no_match_on_an_event_has_a_wildcard_arm() {
    let mut files = Vec::new();
    for folder in ["crates", "src", "tests", "shim", "examples", "benches", "fuzz/fuzz_targets"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        if folder.is_dir() {
            sources(&folder, &mut files);
        }
    }
    // A folder that was renamed would otherwise be passed over and the test would check nothing.
    assert!(files.len() > 100, "the sources are read");
    let mut found = Vec::new();
    for file in files {
        let source = fs::read_to_string(&file).expect("a readable source");
        found.extend(wildcards(&source).into_iter().map(|line| format!("{}:{line}", file.display())));
    }
    assert!(found.is_empty(), "wildcard arms in matches on events:\n{}", found.join("\n"));
}

#[test]
fn wildcard_arms_are_found() {
    let lines = |arms: &str| wildcards(&format!("fn f() {{\n match *event {{\n{arms}\n }}\n}}\n"));
    // The inner match is on a number and may have a wildcard: only its outer one is looked at.
    let some = "Event::Wait { lock } if lock == 1 => { _ = match lock { 1 => 2, _ => 3 } }\n";
    assert_eq!(lines(&format!("{some}_ => {{}}")), [4]);
    assert_eq!(lines(&format!("{some}other => drop(other),")), [4]);
    assert_eq!(lines(&format!("{some}Event::Boot {{ .. }} | _ => (),")), [4]);
    assert_eq!(lines(&format!("Some({}) => 1,\nNone => 2,\nSome(_) => 3,", "Event::WorkEnd")), [5]);
    assert_eq!(lines("events!(locks) => 1,\n_ => 2"), [4]);
    assert_eq!(lines("percuss_kernel::event::Event::WorkEnd => \"{\",\n_ => '{',"), [4]);
    // Not: an arm with a guard, a match on something else, and `_` in a comment, a string or a pattern.
    assert!(lines(&format!("{some}_ if true => 1,\nevents!(locks) => 2,")).is_empty());
    assert!(lines("events!(locks | traces) => 1, events!(flow) => 2,").is_empty());
    assert!(lines("SigEvent::A => 1,\n_ => Event::Boot,").is_empty());
    assert!(lines("Event::TraceAlloc(_) => \"_ =>\", // _ => 1\nEvent::Wait { lock: _ } => 'x',").is_empty());
}
