// SPDX-License-Identifier: GPL-2.0-only
//! What patches, a variant and edits changed, line by line: the lines of code that an overlay has and its tree has not.
//!
//! This says where to look, and no more. Whether a line is compiled only the preprocessor knows, and whether it runs
//! only the image: the engine asks both about the lines that are listed here.

mod conditions;
mod functions;

use std::collections::BTreeSet;
use std::path::Path;

use crate::text::{Text, code_mask};
use crate::tree::{Overlay, Tree, TreeError};
pub use conditions::Condition;
pub use functions::Function;

/// A file that differs from the tree's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangedFile {
    /// Its path below the tree.
    pub file: String,
    /// Lines that were added or modified, without blank ones, comments, lone braces and preprocessor lines: those that
    /// can do something. In order.
    pub lines: Vec<Line>,
    /// Lines of code that are gone. Each is the number of the new line after which it would be.
    pub removed: Vec<u32>,
    /// Parts of the file that `#if`, `#elif` and `#else` decide about, outer ones before those in them.
    pub conditions: Vec<Condition>,
    /// The functions that are defined in it, in order.
    pub functions: Vec<Function>,
}

/// A line, by its number and the column at which its code begins, both from 1, as compilers count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    pub number: u32,
    pub column: u32,
}

impl ChangedFile {
    /// The function that a line is part of, its head included.
    pub fn function_at(&self, line: u32) -> Option<&Function> {
        self.functions.iter().find(|f| (f.first..=f.last).contains(&line))
    }

    /// Functions that the tree does not define.
    pub fn new_functions(&self) -> impl Iterator<Item = &Function> {
        self.functions.iter().filter(|f| f.new)
    }

    fn of(file: &str, old: &str, new: &str, known: &BTreeSet<String>) -> ChangedFile {
        let code = code_mask(new);
        let (added, removed) = differing(old, new);
        let begins: Vec<Option<u32>> = code_begins(new, &code);
        let lines = added.into_iter().filter_map(|number| {
            let column = *begins.get(number as usize - 1)?;
            Some(Line { number, column: column? })
        });
        let was: Vec<Option<u32>> = code_begins(old, &code_mask(old));
        let removed = removed.into_iter().filter(|(number, _)| matches!(was.get(*number as usize - 1), Some(Some(_))));
        let mut functions = functions::functions(new, &code);
        for function in &mut functions {
            function.new = !known.contains(&function.name);
        }
        ChangedFile {
            file: file.to_owned(),
            lines: lines.collect(),
            removed: removed.map(|(_, after)| after).collect(),
            conditions: conditions::conditions(new),
            functions,
        }
    }
}

/// The files of an overlay that differ from the tree's, in order of their paths. One that the tree does not have is all
/// new.
///
/// # Errors
/// A file of the overlay or of the tree cannot be read.
pub fn changed(tree: &Tree, overlay: &Overlay) -> Result<Vec<ChangedFile>, TreeError> {
    let mut pairs = Vec::new();
    for file in files_below(&overlay.dir, "") {
        let new = overlay.read(&file)?;
        let path = tree.path(&file);
        let old = if path.is_file() {
            std::fs::read_to_string(&path).map_err(|source| TreeError::Read { path, source })?
        } else {
            String::new()
        };
        if old != new {
            pairs.push((file, old, new));
        }
    }
    // All files together: a function that moves from one to another is not a new one.
    let names = |(_, old, _): &(String, String, String)| functions::functions(old, &code_mask(old));
    let known = pairs.iter().flat_map(names).map(|f| f.name).collect();
    Ok(pairs.iter().map(|(file, old, new)| ChangedFile::of(file, old, new, &known)).collect())
}

/// Files in a directory and below it, as paths from there, sorted.
fn files_below(dir: &Path, prefix: &str) -> Vec<String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            files.extend(files_below(&entry.path(), &format!("{name}/")));
        } else {
            files.push(name);
        }
    }
    files.sort();
    files
}

/// Numbers of the lines that only `new` has; and of those that only `old` has, each with the line of `new` before it.
fn differing(old: &str, new: &str) -> (Vec<u32>, Vec<(u32, u32)>) {
    let mut options = diffy::DiffOptions::new();
    options.set_context_len(0);
    let patch = options.create_patch(old, new);
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    for hunk in patch.hunks() {
        // An empty range is numbered by the line before it.
        let first = |range: diffy::HunkRange| (range.start() + usize::from(range.is_empty())) as u32;
        let (mut was, mut now) = (first(hunk.old_range()), first(hunk.new_range()));
        for line in hunk.lines() {
            match line {
                diffy::Line::Context(_) => (was, now) = (was + 1, now + 1),
                diffy::Line::Delete(_) => {
                    removed.push((was, now - 1));
                    was += 1;
                }
                diffy::Line::Insert(_) => {
                    added.push(now);
                    now += 1;
                }
            }
        }
    }
    (added, removed)
}

/// For each line the column at which its code begins; None for a line that does nothing: a blank one, a comment, a
/// directive, or nothing but braces and semicolons.
fn code_begins(text: &str, code: &[Text]) -> Vec<Option<u32>> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let counts = |i: &usize| code[*i] != Text::Aside && !bytes[*i].is_ascii_whitespace();
        let mut places = (start..start + line.len()).filter(counts);
        let first = places.clone().next();
        let acts = places.any(|i| !matches!(bytes[i], b'{' | b'}' | b';'));
        out.push(first.filter(|_| acts).map(|i| (i - start) as u32 + 1));
        start += line.len();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "int a;\n\nint f(int x)\n{\n\treturn x;\n}\n";

    fn of(new: &str) -> ChangedFile {
        let known = functions::functions(OLD, &code_mask(OLD)).into_iter().map(|f| f.name).collect();
        ChangedFile::of("f.c", OLD, new, &known)
    }

    #[test]
    fn lines_that_can_do_something_count() {
        let new = "int a;\n\n/* text */\n#define X 1\nint f(int x)\n{\n\t/* x */ if (x)\n\t{\n\t\treturn X;\n\t}\n\n\treturn x;\n}\n";
        let numbers: Vec<(u32, u32)> = of(new).lines.iter().map(|l| (l.number, l.column)).collect();
        assert_eq!(numbers, [(7, 10), (9, 3)]);
        assert_eq!(of(new).function_at(9).map(|f| f.name.as_str()), Some("f"));
        assert_eq!(of(new).new_functions().count(), 0);
    }

    #[test]
    fn lines_that_are_gone_have_a_place() {
        let changed = of("int a;\n\nint f(int x)\n{\n}\n");
        assert_eq!((changed.lines, changed.removed), (vec![], vec![4]));
        assert_eq!(of("int f(int x)\n{\n\treturn x;\n}\n").removed, [0], "a blank line is none of code");
        let modified = of("int a;\n\nint f(int x)\n{\n\treturn x + 1;\n}\n");
        assert_eq!((modified.lines[0].number, modified.removed), (5, vec![4]));
    }

    #[test]
    fn a_function_is_new_by_its_name() {
        let new = format!("{OLD}static void g(void)\n{{\n}}\n");
        let names: Vec<String> = of(&new).new_functions().map(|f| f.name.clone()).collect();
        assert_eq!(names, ["g"]);
    }
}
