// SPDX-License-Identifier: GPL-2.0-only
//! Coverage of a patch: which of the lines that it changed are compiled, and which of those ran.
//!
//! "Nothing new" is worth as much as what was run. A fix under an `#ifdef` that is off, an error path that no program
//! gets to, and a function that nothing calls pass every check; the report has to say so.

use std::collections::BTreeSet;

use percuss_shim::{Counted, Region};
use percuss_source::changed::{ChangedFile, Condition, Line};
use serde::Serialize;

use crate::judge::{Places, Reached};

/// What came of the lines that patches, variant and edits changed. JSON reports have it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Lines of code that were added or modified.
    pub changed: u64,
    /// Those that are compiled in this configuration.
    pub compiled: u64,
    /// Those that a program reached. What is compiled and in none of the lists is a declaration, which does not run.
    pub ran: u64,
    pub not_run: Vec<At>,
    pub not_compiled: Vec<Off>,
    /// Functions that the tree did not have and that no program entered.
    pub not_called: Vec<String>,
    /// Lines of code that are gone. A patch may do nothing else.
    pub removed: u64,
    /// Those that were not compiled in this configuration.
    pub removed_not_compiled: u64,
    /// Programs that ran.
    pub programs: u64,
    /// Programs among them that ended their process, so that what they reached is not known.
    pub lost: u64,
}

/// A line that no program reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct At {
    pub file: String,
    pub line: u32,
    pub function: Option<String>,
}

/// A line that is not compiled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Off {
    pub file: String,
    pub line: u32,
    pub function: Option<String>,
    /// What would have to hold for it to be compiled; None when the file is not part of an image.
    pub when: Option<String>,
}

impl Coverage {
    /// The patch changes code, and none of it is compiled: what was checked is the tree without it.
    pub fn nothing_compiled(&self) -> bool {
        match (self.changed, self.removed) {
            (0, 0) => false,
            (0, removed) => self.removed_not_compiled == removed,
            _ => self.compiled == 0,
        }
    }
}

/// The changed lines of an image, each with what is known of it before anything runs.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    lines: Vec<(At, State)>,
    /// New functions, with the place of the body of each.
    functions: Vec<(String, usize)>,
    removed: u64,
    removed_not_compiled: u64,
    pub places: Places,
}

#[derive(Debug, Clone)]
enum State {
    NotCompiled(Option<String>),
    /// A line outside of function bodies.
    Declaration,
    Place(usize),
}

impl Watched {
    /// `read` are the files that the compiler read, sorted.
    pub fn new(files: &[ChangedFile], counted: &Counted, read: &[String]) -> Watched {
        let mut watched = Watched::default();
        for file in files {
            let none = BTreeSet::new();
            let is_read = read.binary_search(&file.file).is_ok();
            let alive = counted.alive.get(&file.file).unwrap_or(&none);
            let off = Switched { is_read, file, alive };
            let regions: Vec<&Region> = counted.regions.iter().filter(|r| r.file == file.file).collect();
            watched.add(file, &off, &regions);
        }
        watched
    }

    fn add(&mut self, file: &ChangedFile, off: &Switched<'_>, regions: &[&Region]) {
        for line in &file.lines {
            let function = file.function_at(line.number).map(|f| f.name.clone());
            let at = At { file: file.file.clone(), line: line.number, function };
            let state = match off.at(|condition| condition.holds(line.number)) {
                Some(why) => State::NotCompiled(why),
                None => match innermost(regions, *line) {
                    parts if parts.is_empty() => State::Declaration,
                    parts => State::Place(self.place(&parts)),
                },
            };
            self.lines.push((at, state));
        }
        for function in file.new_functions().filter(|f| off.at(|c| c.holds(f.first)).is_none()) {
            let within = |r: &&&Region| r.body && (function.first..=function.last).contains(&r.start.0);
            let body: Vec<&Region> = regions.iter().filter(within).copied().collect();
            let place = self.place(&body);
            self.functions.push((function.name.clone(), place));
        }
        // A line that is gone was under a condition if what is left of its neighbours is.
        let around = |after: u32| move |c: &Condition| c.first <= after + 1 && after <= c.last;
        self.removed += file.removed.len() as u64;
        self.removed_not_compiled += file.removed.iter().filter(|n| off.at(around(**n)).is_some()).count() as u64;
    }

    fn place(&mut self, parts: &[&Region]) -> usize {
        self.places.0.push(parts.iter().map(|r| r.count.clone()).filter(|sum| !sum.is_empty()).collect());
        self.places.0.len() - 1
    }

    /// What `programs` programs reached of it, `lost` of which took what they know with them.
    pub fn coverage(&self, reached: &Reached, programs: u64, lost: u64) -> Coverage {
        let mut out = Coverage {
            changed: self.lines.len() as u64,
            removed: self.removed,
            removed_not_compiled: self.removed_not_compiled,
            programs,
            lost,
            ..Coverage::default()
        };
        for (at, state) in &self.lines {
            match state {
                State::Place(place) if reached.has(*place) => out.ran += 1,
                State::Place(_) => out.not_run.push(at.clone()),
                State::Declaration => {}
                State::NotCompiled(when) => {
                    let At { file, line, function } = at.clone();
                    out.not_compiled.push(Off { file, line, function, when: when.clone() });
                }
            }
        }
        out.compiled = out.changed - out.not_compiled.len() as u64;
        let not_called = self.functions.iter().filter(|(_, place)| !reached.has(*place));
        out.not_called = not_called.map(|(name, _)| name.clone()).collect();
        out
    }
}

/// The parts of the code that a line runs: the innermost one around its first character, and those that begin on it.
fn innermost<'r>(regions: &[&'r Region], line: Line) -> Vec<&'r Region> {
    let at = (line.number, line.column);
    // A gap has no code: where nothing else begins, what is around it counts.
    let code = || regions.iter().filter(|r| !r.gap);
    let around = code().filter(|r| r.start <= at && at < r.end);
    let inner = around.max_by_key(|r| (r.start, std::cmp::Reverse(r.end)));
    // A function that is compiled twice has each part twice.
    let same = |r: &&&Region| inner.is_some_and(|i| (i.start, i.end) == (r.start, r.end));
    let begins = |r: &&&Region| inner.is_some() && r.start.0 == line.number && r.start > at;
    code().filter(|r| same(r) || begins(r)).copied().collect()
}

/// What the preprocessor says of a file's lines.
struct Switched<'a> {
    is_read: bool,
    file: &'a ChangedFile,
    /// Lines of which something is left.
    alive: &'a BTreeSet<u32>,
}

impl Switched<'_> {
    /// Why what `holds` selects the conditions of is not compiled: Some(None) where the whole file is not.
    fn at(&self, holds: impl Fn(&Condition) -> bool) -> Option<Option<String>> {
        if !self.is_read {
            return Some(None);
        }
        let conditions = self.file.conditions.iter().filter(|c| holds(c));
        // Nothing is left of the whole part. The innermost such condition is false for certain; one around it may have
        // no other lines.
        let dead = |c: &&Condition| c.first <= c.last && self.alive.range(c.first..=c.last).next().is_none();
        conditions.filter(dead).last().map(|c| Some(c.when.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(start: (u32, u32), end: (u32, u32), counter: u32) -> Region {
        Region { file: "f.c".into(), start, end, body: counter == 0, gap: false, count: vec![(1, counter)] }
    }

    #[test]
    fn a_line_has_the_innermost_part_and_those_that_begin_on_it() {
        let mut all = [
            region((2, 1), (20, 2), 0),
            region((4, 6), (4, 8), 1),
            region((5, 3), (5, 13), 2),
            region((7, 1), (20, 2), 3),
        ];
        all[2].gap = true;
        let parts = |number, column| {
            let all: Vec<&Region> = all.iter().collect();
            innermost(&all, Line { number, column }).iter().map(|r| r.count[0].1).collect::<Vec<_>>()
        };
        assert_eq!(parts(3, 2), [0]);
        assert_eq!(parts(4, 2), [0, 1]);
        assert_eq!(parts(5, 3), [0], "a gap is no code");
        assert_eq!(parts(7, 1), [3]);
        assert!(parts(1, 1).is_empty(), "a head is a declaration");
    }

    #[test]
    fn lines_under_a_false_condition_are_not_compiled() {
        let condition = |first, last, when: &str| Condition { first, last, when: when.to_owned() };
        let file = ChangedFile {
            file: "f.c".into(),
            lines: [3, 6].map(|number| Line { number, column: 1 }).to_vec(),
            removed: vec![3, 5],
            conditions: vec![condition(2, 7, "A"), condition(3, 4, "B")],
            functions: Vec::new(),
        };
        let alive = BTreeSet::from([6]);
        let counted = Counted { regions: vec![], alive: [("f.c".to_owned(), alive)].into() };
        let read = ["f.c".to_owned()];
        let coverage = Watched::new(std::slice::from_ref(&file), &counted, &read).coverage(&Reached::default(), 1, 0);
        assert_eq!((coverage.changed, coverage.compiled, coverage.ran), (2, 1, 0));
        assert_eq!(coverage.not_compiled[0].when.as_deref(), Some("B"));
        assert_eq!((coverage.removed, coverage.removed_not_compiled), (2, 1));
        assert!(!coverage.nothing_compiled());
        let unread = Watched::new(&[file], &counted, &[]).coverage(&Reached::default(), 1, 0);
        assert!(unread.nothing_compiled() && unread.not_compiled[0].when.is_none());
    }
}
