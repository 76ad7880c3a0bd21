// SPDX-License-Identifier: GPL-2.0-only
//! What a file names: its imports, the paths in its code, and the modules and items that it declares.
//!
//! It reads tokens without a grammar. That is enough, because imports and items look the same in every place, and a
//! path is words with `::` between them.

use std::collections::BTreeSet;

use crate::tokens::{Kind, Token, tokens};

/// One leaf of a `use`, so that `use a::{b, c}` gives two, or a path in the code.
#[derive(Debug, Clone)]
pub struct Named {
    pub segments: Vec<String>,
    /// The name it has in this file: the alias, or the last segment. None for a glob and for a path in the code.
    pub name: Option<String>,
    pub glob: bool,
    pub public: bool,
    pub test: bool,
    /// Inline modules it stands in, outermost first.
    pub scope: Vec<String>,
    pub line: usize,
}

#[derive(Debug, Default)]
pub struct File {
    pub named: Vec<Named>,
    /// Items that are not inside a function or a block, each with the inline modules around it and its name.
    pub items: BTreeSet<(Vec<String>, String)>,
    /// Inline modules, by their whole path from the file.
    pub inline: BTreeSet<Vec<String>>,
    pub words: BTreeSet<String>,
}

const ITEMS: [&str; 8] = ["fn", "struct", "enum", "trait", "type", "const", "static", "union"];

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    /// Inline modules that are open, each with the depth of its braces.
    modules: Vec<(String, usize)>,
    /// The depth of braces at which code that is compiled for tests only ends again; None outside of such code.
    test_until: Option<usize>,
    /// True from a `#[cfg(test)]` until the item that it is on begins or ends.
    test_next: bool,
    file: File,
}

pub fn read(text: &str) -> File {
    let mut reader = Reader {
        tokens: tokens(text),
        at: 0,
        depth: 0,
        modules: Vec::new(),
        test_until: None,
        test_next: false,
        file: File::default(),
    };
    while reader.at < reader.tokens.len() {
        reader.step();
    }
    reader.file
}

impl Reader {
    fn token(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead)
    }

    fn scope(&self) -> Vec<String> {
        self.modules.iter().map(|(name, _)| name.clone()).collect()
    }

    fn step(&mut self) {
        let token = self.tokens[self.at].clone();
        match &token.kind {
            Kind::Sign('#') if self.attribute() => {}
            Kind::Sign('{') => {
                if self.test_next {
                    self.test_next = false;
                    self.test_until.get_or_insert(self.depth);
                }
                self.depth += 1;
                self.at += 1;
            }
            Kind::Sign('}') => {
                self.depth = self.depth.saturating_sub(1);
                if self.modules.last().is_some_and(|(_, depth)| *depth == self.depth) {
                    self.modules.pop();
                }
                if self.test_until == Some(self.depth) {
                    self.test_until = None;
                }
                self.at += 1;
            }
            Kind::Sign(';') => {
                self.test_next = false;
                self.at += 1;
            }
            Kind::Word(word) if word == "use" => self.import(token.line),
            Kind::Word(word) => {
                self.file.words.insert(word.clone());
                self.word(word, token.line);
            }
            Kind::Sep | Kind::Sign(_) => self.at += 1,
        }
    }

    /// Passes over `#[...]` or `#![...]` and returns true, or returns false when none begins here. Only an exact
    /// `cfg(test)` marks code for tests: `cfg(any(test, ...))` is also compiled without them.
    fn attribute(&mut self) -> bool {
        let open = if self.token(1).is_some_and(|t| t.sign('!')) { 2 } else { 1 };
        if !self.token(open).is_some_and(|t| t.sign('[')) {
            return false;
        }
        let from = self.at;
        self.at += open;
        let mut depth = 0;
        while let Some(token) = self.token(0) {
            depth += i32::from(token.sign('[')) - i32::from(token.sign(']'));
            self.at += 1;
            if depth == 0 {
                break;
            }
        }
        let words: Vec<&str> = self.tokens[from..self.at].iter().filter_map(Token::word).collect();
        self.test_next |= words == ["cfg", "test"];
        true
    }

    fn word(&mut self, word: &str, line: usize) {
        let next = self.token(1).and_then(Token::word).map(str::to_owned);
        if let (true, Some(name)) = (word == "mod", next.clone()) {
            if self.token(2).is_some_and(|t| t.sign('{')) {
                self.modules.push((name, self.depth));
                let scope = self.scope();
                self.file.inline.insert(scope);
            }
            self.at += 2;
            return;
        }
        // Deeper than its module an item is inside a function, where no path from another file reaches it.
        let module_depth = self.modules.last().map_or(0, |(_, depth)| depth + 1);
        if let (true, true, Some(name)) = (ITEMS.contains(&word), self.depth == module_depth, next) {
            let scope = self.scope();
            self.file.items.insert((scope, name));
        }
        let mut segments = vec![word.to_owned()];
        self.at += 1;
        while self.token(0).is_some_and(|t| t.kind == Kind::Sep) {
            let Some(word) = self.token(1).and_then(Token::word) else { break };
            segments.push(word.to_owned());
            self.file.words.insert(segments[segments.len() - 1].clone());
            self.at += 2;
        }
        if segments.len() > 1 {
            self.add(segments, None, false, false, line);
        }
    }

    fn add(&mut self, segments: Vec<String>, name: Option<String>, glob: bool, public: bool, line: usize) {
        let test = self.test_until.is_some() || self.test_next;
        let scope = self.scope();
        self.file.named.push(Named { segments, name, glob, public, test, scope, line });
    }

    fn import(&mut self, line: usize) {
        let before = self.at.checked_sub(1).map(|at| self.tokens[at].clone());
        // A bound `+ use<'a>` is no import.
        if self.token(1).is_some_and(|t| t.sign('<')) {
            self.at += 1;
            return;
        }
        let public = before.is_some_and(|t| t.is("pub") || t.sign(')'));
        self.at += 1;
        self.tree(&[], public, line);
    }

    /// Reads one tree of a `use` and adds its leaves; `prefix` is what it shares with its neighbours in the braces
    /// around it.
    fn tree(&mut self, prefix: &[String], public: bool, line: usize) {
        let mut path = prefix.to_vec();
        while let Some(token) = self.token(0).cloned() {
            let line = token.line.max(line);
            self.at += 1;
            match token.kind {
                Kind::Sep => {}
                Kind::Sign('{') => {
                    while self.token(0).is_some_and(|t| !t.sign('}')) {
                        self.tree(&path, public, line);
                        if self.token(0).is_some_and(|t| t.sign(',')) {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                Kind::Sign('*') => return self.add(path, None, true, public, line),
                Kind::Word(word) => {
                    // `use a::{self}` imports `a`; at the beginning `self` is the module itself.
                    if word != "self" || path.is_empty() {
                        path.push(word);
                    }
                    if self.token(0).is_some_and(|t| t.kind == Kind::Sep) {
                        continue;
                    }
                    let mut name = path.last().cloned();
                    if self.token(0).is_some_and(|t| t.is("as")) {
                        name = self.token(1).and_then(Token::word).map(str::to_owned);
                        self.at += 2;
                    }
                    return self.add(path, name, false, public, line);
                }
                Kind::Sign(_) => return,
            }
        }
    }
}

#[test]
fn imports_paths_and_items() {
    let text = "pub use super::a::{self, b as c, d::*};\nfn e() { crate::f::g(); }\n\
                #[cfg(test)]\nmod tests { use super::*; }\nmod h;\nstruct I;";
    let file = read(text);
    let said: Vec<String> = file
        .named
        .iter()
        .map(|n| {
            let name = n.name.clone().unwrap_or_else(|| if n.glob { "*".into() } else { "-".into() });
            format!("{} {} {name} {} {}", n.line, n.segments.join("::"), n.public, n.test)
        })
        .collect();
    assert_eq!(
        said,
        [
            "1 super::a a true false",
            "1 super::a::b c true false",
            "1 super::a::d * true false",
            "2 crate::f::g - false false",
            "4 super * false true",
        ]
    );
    assert!(file.items.contains(&(vec![], "I".into())));
    assert!(file.inline.contains(&vec!["tests".to_owned()]));
}
