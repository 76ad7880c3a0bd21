// SPDX-License-Identifier: GPL-2.0-only
//! Lines of functions and whether they ran, from what `llvm-cov export` writes.

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

/// The same with two counts: of true and of false.
type Branch = [u64; 9];

/// Region of code, as opposed to expansions, gaps and what the preprocessor left out.
const CODE: u64 = 0;

/// What ran of one function. Instances of it (one for each type it is made for) are put together.
#[derive(Default)]
pub struct Counted {
    /// Lines of code, by whether they ran.
    pub lines: BTreeMap<u64, bool>,
    /// Sides of conditions, by place: whether they were taken.
    sides: BTreeMap<(u64, u64, bool), bool>,
}

impl Counted {
    /// Lines that did not run.
    pub fn missed(&self) -> usize {
        self.lines.values().filter(|ran| !**ran).count()
    }

    /// Sides of conditions: all, and those that were taken.
    pub fn branches(&self) -> (usize, usize) {
        (self.sides.len(), self.sides.values().filter(|taken| **taken).count())
    }

    fn add(&mut self, function: &Function) {
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
            *self.lines.entry(line).or_insert(false) |= ran;
        }
        for b in function.branches.iter().filter(|b| b[6] == 0) {
            for (side, count) in [(true, b[4]), (false, b[5])] {
                *self.sides.entry((b[0], b[1], side)).or_insert(false) |= count > 0;
            }
        }
    }
}

/// Functions of the files that `wanted` has a short name for, by that name and their own.
pub fn functions(export: &Export, wanted: impl Fn(&str) -> Option<String>) -> BTreeMap<(String, String), Counted> {
    let mut out: BTreeMap<(String, String), Counted> = BTreeMap::new();
    for function in export.data.iter().flat_map(|d| &d.functions) {
        let Some(file) = function.filenames.first().and_then(|f| wanted(f)) else { continue };
        out.entry((file, plain(&function.name))).or_default().add(function);
    }
    out
}

/// The name without the file of a static function, and without the mangling of Rust.
fn plain(name: &str) -> String {
    let name = name.rsplit([':', ';']).next().unwrap_or(name);
    if name.starts_with("_R") { demangled(name) } else { name.to_owned() }
}

/// The last word of a mangled name: enough to tell a reader which function it is.
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
