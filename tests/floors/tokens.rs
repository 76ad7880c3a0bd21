// SPDX-License-Identifier: GPL-2.0-only
//! Words and signs of Rust source, without comments and literals.
//!
//! A parser crate would see more, but a path in a comment or in a string is the only thing that a search for words
//! would take for an import.

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Word(String),
    /// `::`, so that a path is words with this between them.
    Sep,
    Sign(char),
}

#[derive(Debug, Clone)]
pub struct Token {
    pub kind: Kind,
    pub line: usize,
}

impl Token {
    pub fn is(&self, word: &str) -> bool {
        matches!(&self.kind, Kind::Word(w) if w == word)
    }

    pub fn sign(&self, sign: char) -> bool {
        self.kind == Kind::Sign(sign)
    }

    pub fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            Kind::Sep | Kind::Sign(_) => None,
        }
    }
}

/// The tokens of a file in order. Number literals come out as words, which does no harm, because no path begins with a
/// digit.
pub fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    // Lines are counted from 1, as editors and the compiler do.
    let (mut found, mut at, mut line) = (Vec::new(), 0, 1);
    while at < chars.len() {
        let (from, c) = (at, chars[at]);
        let next = chars.get(at + 1).copied().unwrap_or(' ');
        let kind = match c {
            '/' if next == '/' => {
                while at < chars.len() && chars[at] != '\n' {
                    at += 1;
                }
                None
            }
            '/' if next == '*' => {
                at = block_comment(&chars, at);
                None
            }
            '"' => {
                at = string(&chars, at);
                None
            }
            '\'' => {
                at = char_or_lifetime(&chars, at);
                None
            }
            c if c.is_alphanumeric() || c == '_' => {
                while at < chars.len() && (chars[at].is_alphanumeric() || chars[at] == '_') {
                    at += 1;
                }
                let word: String = chars[from..at].iter().collect();
                if let (true, Some(end)) = (word.ends_with('r'), raw_string(&chars, at)) {
                    at = end;
                    None
                } else {
                    Some(Kind::Word(word))
                }
            }
            ':' if next == ':' => {
                at += 2;
                Some(Kind::Sep)
            }
            c => {
                at += 1;
                (!c.is_whitespace()).then_some(Kind::Sign(c))
            }
        };
        found.extend(kind.map(|kind| Token { kind, line }));
        line += chars[from..at].iter().filter(|c| **c == '\n').count();
    }
    found
}

/// The position after the block comment that begins at `at`. Block comments nest in Rust, unlike in C.
fn block_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string(chars: &[char], mut at: usize) -> usize {
    at += 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// The end of a raw string whose `r`, or `br`, stands before `at`; None when no raw string begins there, as in any word
/// that ends in r.
fn raw_string(chars: &[char], mut at: usize) -> Option<usize> {
    let hashes = chars[at..].iter().take_while(|c| **c == '#').count();
    at += hashes;
    if chars.get(at) != Some(&'"') {
        return None;
    }
    at += 1;
    while at < chars.len() {
        let closes = chars[at] == '"' && chars[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
        at += 1;
        if closes {
            return Some(at + hashes);
        }
    }
    Some(at)
}

/// The position after a character literal, or after the quote of a lifetime. The name of a lifetime then comes out as a
/// word, which is part of no path.
fn char_or_lifetime(chars: &[char], at: usize) -> usize {
    if chars.get(at + 1) == Some(&'\\') {
        let close = chars[at + 3..].iter().position(|c| *c == '\'').unwrap_or(0);
        return at + 4 + close;
    }
    if chars.get(at + 2) == Some(&'\'') { at + 3 } else { at + 1 }
}

#[test]
fn literals_and_comments_are_passed_over() {
    let text = "let a = \"crate::b \\\" x\"; // super::c\n/* d /* e */ */ f::<'g>(r#\"h\"i\"#, '\\'', '\"', b\"j\");";
    let words: Vec<String> = tokens(text).iter().filter_map(|t| t.word().map(str::to_owned)).collect();
    assert_eq!(words, ["let", "a", "f", "g", "b"]);
    assert_eq!(tokens(text).last().unwrap().line, 2);
}
