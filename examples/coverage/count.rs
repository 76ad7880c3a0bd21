// SPDX-License-Identifier: GPL-2.0-only
//! Lines of functions and whether they ran, from the JSON that `llvm-cov export` writes.
//!
//! The export has regions, which begin and end inside lines and nest. llvm-cov's own summary counts lines by file only,
//! and a list of excuses by function needs them by function.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

#[derive(Deserialize)]
pub struct Export {
    data: Vec<Data>,
}

#[derive(Deserialize)]
struct Data {
    functions: Vec<Function>,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    filenames: Vec<String>,
    regions: Vec<Region>,
    #[serde(default)]
    branches: Vec<Branch>,
}

/// First line and column, last line and column, count, file, expanded file, kind.
type Region = [u64; 8];

/// The same place with two counts: how often the condition was true, and how often false.
type Branch = [u64; 9];

/// The kind of a region of code. Other kinds are expansions of macros, gaps, and what the preprocessor left out.
const CODE: u64 = 0;

/// What ran of one function. A function may have several instances, one for each type it is made for: a line ran when
/// it ran in any of them.
#[derive(Default)]
pub struct Counted {
    pub lines: BTreeMap<u64, bool>,
    /// Both sides of each condition, by line, column and side, and whether that side was taken.
    sides: BTreeMap<(u64, u64, bool), bool>,
}

impl Counted {
    pub fn missed(&self) -> usize {
        self.lines.values().filter(|ran| !**ran).count()
    }

    /// The number of sides of conditions, and how many of them were taken. A condition has two.
    pub fn branches(&self) -> (usize, usize) {
        (self.sides.len(), self.sides.values().filter(|taken| **taken).count())
    }

    fn add(&mut self, function: &Function) {
        // Only the function's own file: an expanded macro has a file, and regions, of its own.
        let of_file = |r: &&Region| r[7] == CODE && r[5] == 0;
        let mut regions: Vec<Region> = function.regions.iter().filter(of_file).copied().collect();
        // The innermost region says whether a line ran: wide ones first, so that narrow ones have the last word.
        regions.sort_by_key(|r| std::cmp::Reverse((r[2] - r[0], r[3])));
        let mut lines: BTreeMap<u64, bool> = BTreeMap::new();
        let mut begins: BTreeSet<u64> = BTreeSet::new();
        for r in &regions {
            for line in r[0]..=r[2] {
                let ran = r[4] > 0;
                // A line on which several regions begin ran when one of them did.
                let also = line == r[0] && !begins.insert(line);
                let known = lines.entry(line).or_insert(ran);
                *known = if also { *known || ran } else { ran };
            }
        }
        for (line, ran) in lines {
            // Instances of a generic function are summed: one that ran is enough.
            *self.lines.entry(line).or_insert(false) |= ran;
        }
        for b in function.branches.iter().filter(|b| b[6] == 0) {
            for (side, count) in [(true, b[4]), (false, b[5])] {
                *self.sides.entry((b[0], b[1], side)).or_insert(false) |= count > 0;
            }
        }
    }
}

/// Counts the functions of those files that `wanted` has a short name for, by that name and the function's. Other
/// files, such as those of the standard library, are left out.
pub fn functions(export: &Export, wanted: impl Fn(&str) -> Option<String>) -> BTreeMap<(String, String), Counted> {
    let mut out: BTreeMap<(String, String), Counted> = BTreeMap::new();
    for function in export.data.iter().flat_map(|d| &d.functions) {
        let Some(file) = function.filenames.first().and_then(|f| wanted(f)) else { continue };
        out.entry((file, plain(&function.name))).or_default().add(function);
    }
    out
}

/// The name that a reader knows: without the file that llvm puts before a static function, and without the mangling of
/// Rust.
fn plain(name: &str) -> String {
    let name = name.rsplit([':', ';']).next().unwrap_or(name);
    if name.starts_with("_R") { demangled(name) } else { name.to_owned() }
}

/// The last identifier of a mangled Rust name, which is enough to tell which function it is. A whole demangler would be
/// a dependency for a table.
fn demangled(name: &str) -> String {
    let (mut rest, mut last) = (name.trim_start_matches("_R"), name);
    while let Some(first) = rest.chars().next() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits == 0 {
            // References and disambiguators are numbers to base 62 that end in `_`.
            let number = rest[first.len_utf8()..].find('_').filter(|_| matches!(first, 'B' | 's'));
            rest = &rest[number.map_or(first.len_utf8(), |at| at + 2)..];
            continue;
        }
        let length: usize = rest[..digits].parse().unwrap_or(0);
        let body = rest[digits..].strip_prefix('_').unwrap_or(&rest[digits..]);
        match body.get(..length) {
            Some(word) if length > 0 => (last, rest) = (word, &body[length..]),
            _ => rest = body,
        }
    }
    last.to_owned()
}
