// SPDX-License-Identifier: GPL-2.0-only
//! clang's tables of code regions and their counters, as LLVM's "Code Coverage Mapping Format" describes them.
//!
//! The tables come from a compiler that ran on code of others, so nothing in them is trusted: what does not fit is an
//! error.

use std::path::Path;

use object::{Object, ObjectSection};

use super::region::{Place, Region};

type Result<T> = std::result::Result<T, String>;

/// Versions of the format that this reads, numbered as in the header, from LLVM 13 to the newest known one. All have the
/// same records.
const VERSIONS: std::ops::RangeInclusive<u32> = 5..=6;

/// Regions within others that one count may be computed from. A function of a thousand branches needs a few hundred.
const DEPTH: u32 = 4096;

/// The counters of a linked image: its records that say where those of a function are.
pub(super) struct Counters {
    data: Vec<u8>,
    data_at: u64,
    counters_at: u64,
    len: u64,
}

impl Counters {
    pub(super) fn of(image: &[u8]) -> Result<Counters> {
        let file = object::File::parse(image).map_err(|e| e.to_string())?;
        let section = |name| file.section_by_name(name);
        let Some((data, counters)) = section("__llvm_prf_data").zip(section("__llvm_prf_cnts")) else {
            // All that is counted was left out.
            return Ok(Counters { data: Vec::new(), data_at: 0, counters_at: 0, len: 0 });
        };
        let bytes = data.data().map_err(|e| e.to_string())?.to_vec();
        Ok(Counters { data: bytes, data_at: data.address(), counters_at: counters.address(), len: counters.size() })
    }

    /// The first counter of a function, once for each time that it is compiled into the image.
    ///
    /// Records begin with name, hash and distance of the counters in every version; their length is not the same.
    fn of_function(&self, name: u64, hash: u64) -> Vec<u32> {
        let word = |at: usize| self.data.get(at..at + 8).map(|b| u64::from_le_bytes(b.try_into().expect("8 bytes")));
        let mut found = Vec::new();
        for at in (0..self.data.len()).step_by(8) {
            if word(at) != Some(name) || word(at + 8) != Some(hash) {
                continue;
            }
            let Some(distance) = word(at + 16) else { continue };
            let counters = (self.data_at + at as u64).wrapping_add(distance);
            let offset = counters.wrapping_sub(self.counters_at);
            if offset < self.len && offset.is_multiple_of(8) {
                found.push((offset / 8) as u32);
            }
        }
        found
    }
}

/// All regions of an object, with the counters that they have in the image that it was linked into. File names are those
/// of the compiler.
pub(super) fn regions(object: &[u8], counters: &Counters) -> Result<Vec<Region>> {
    let file = object::File::parse(object).map_err(|e| e.to_string())?;
    let Some(map) = file.section_by_name("__llvm_covmap") else { return Ok(Vec::new()) };
    let names = file_names(map.data().map_err(|e| e.to_string())?)?;
    let mut out = Vec::new();
    for section in file.sections().filter(|s| s.name() == Ok("__llvm_covfun")) {
        let mut bytes = Bytes(section.data().map_err(|e| e.to_string())?);
        while bytes.0.len() >= 28 {
            let name = bytes.u64()?;
            let size = bytes.u32()? as usize;
            let hash = bytes.u64()?;
            let _names = bytes.u64()?;
            let body = bytes.take(size)?;
            // A hash of 0 is that of a function that is never used, which has no counters.
            let bases = if hash == 0 { Vec::new() } else { counters.of_function(name, hash) };
            Function { names: &names, bases, limit: counters.len / 8 }.read(&mut Bytes(body), &mut out)?;
            // Records are aligned.
            let rest = (8 - (28 + size) % 8) % 8;
            bytes.take(rest.min(bytes.0.len()))?;
        }
    }
    Ok(out)
}

/// The file names of an object. The first one is the directory that relative ones are in.
fn file_names(map: &[u8]) -> Result<Vec<String>> {
    let mut bytes = Bytes(map);
    let (_, _, _, version) = (bytes.u32()?, bytes.u32()?, bytes.u32()?, bytes.u32()?);
    if !VERSIONS.contains(&version) {
        return Err(format!("they have version {}, and clang 13 to 22 write others", u64::from(version) + 1));
    }
    let count = bytes.leb()?;
    let _whole = bytes.leb()?;
    if bytes.leb()? != 0 {
        return Err("the names in them are compressed".to_owned());
    }
    let mut names: Vec<String> = Vec::new();
    for _ in 0..count {
        let len = bytes.len()?;
        let name = String::from_utf8_lossy(bytes.take(len)?).into_owned();
        let whole = names.first().map(|dir| Path::new(dir).join(&name).display().to_string());
        names.push(whole.unwrap_or(name));
    }
    Ok(names)
}

/// The record of a function while it is read.
struct Function<'a> {
    names: &'a [String],
    bases: Vec<u32>,
    /// Counters of the image.
    limit: u64,
}

/// Kinds of regions, as they are stored.
const CODE: u64 = 0;
const SKIPPED: u64 = 2;
const BRANCH: u64 = 4;
const DECISION: u64 = 5;
const CONDITION: u64 = 6;

impl Function<'_> {
    fn read(&self, bytes: &mut Bytes<'_>, out: &mut Vec<Region>) -> Result<()> {
        let mut files = Vec::new();
        for _ in 0..bytes.leb()? {
            let index = bytes.len()?;
            files.push(self.names.get(index).ok_or("a file has no name")?);
        }
        let mut expressions = Vec::new();
        for _ in 0..bytes.leb()? {
            expressions.push((bytes.leb()?, bytes.leb()?));
        }
        for (i, file) in files.into_iter().enumerate() {
            let mut line = 0u32;
            for j in 0..bytes.leb()? {
                let header = bytes.leb()?;
                // What is no code is passed over, but its operands have to be.
                let counter = match (header & 3, header >> 3) {
                    (0, _) if header & 4 != 0 => None,
                    (0, CODE) => Some(0),
                    (0, SKIPPED) => None,
                    (0, BRANCH) => bytes.skip(2)?,
                    (0, DECISION) => bytes.skip(2)?,
                    (0, CONDITION) => bytes.skip(5)?,
                    (0, kind) => return Err(format!("a region has the unknown kind {kind}")),
                    _ => Some(header),
                };
                let (delta, column, lines, end) = (bytes.u31()?, bytes.u31()?, bytes.u31()?, bytes.leb()?);
                line = line.checked_add(delta).ok_or("a line number is too large")?;
                let last = line.checked_add(lines).ok_or("a line number is too large")?;
                let Some(counter) = counter else { continue };
                let place = |line, column| -> Place { (line, column) };
                // The highest bit of the column says that it is a gap.
                let (gap, end) = (end & 1 << 31 != 0, (end & !(1 << 31)) as u32);
                let whole = column == 0 && end == 0;
                out.push(Region {
                    file: file.clone(),
                    start: place(line, if whole { 1 } else { column }),
                    end: place(last, if whole { u32::MAX } else { end }),
                    body: i == 0 && j == 0,
                    gap,
                    count: self.count(counter, &expressions)?,
                });
            }
        }
        Ok(())
    }

    /// A counter or an expression of counters as a sum.
    fn count(&self, counter: u64, expressions: &[(u64, u64)]) -> Result<Vec<(i32, u32)>> {
        let mut sum = std::collections::BTreeMap::new();
        let mut open = vec![(counter, 1, 0)];
        while let Some((counter, factor, depth)) = open.pop() {
            let value = counter >> 2;
            match counter & 3 {
                0 => {}
                1 => *sum.entry(value).or_insert(0i32) += factor,
                kind => {
                    let (left, right) = expressions.get(value as usize).ok_or("an expression is missing")?;
                    if depth > DEPTH || open.len() > DEPTH as usize {
                        return Err("an expression has no end".to_owned());
                    }
                    open.push((*left, factor, depth + 1));
                    open.push((*right, if kind == 2 { -factor } else { factor }, depth + 1));
                }
            }
        }
        let mut out = Vec::new();
        for base in &self.bases {
            for (counter, factor) in sum.iter().filter(|(_, factor)| **factor != 0) {
                let index = u64::from(*base) + counter;
                out.push((*factor, u32::try_from(index).ok().filter(|_| index < self.limit).ok_or("no such counter")?));
            }
        }
        Ok(out)
    }
}

/// Bytes that are left to read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or("they end too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.take(4)?.try_into().expect("4 bytes")))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.take(8)?.try_into().expect("8 bytes")))
    }

    /// A number in LEB128, 7 bits in a byte.
    fn leb(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a number is too long".to_owned())
    }

    fn len(&mut self) -> Result<usize> {
        usize::try_from(self.leb()?).map_err(|e| e.to_string())
    }

    fn u31(&mut self) -> Result<u32> {
        let value = self.leb()?;
        u32::try_from(value).ok().filter(|v| *v < 1 << 31).ok_or_else(|| "a number is too large".to_owned())
    }

    /// Passes over numbers; there is no counter then.
    fn skip(&mut self, n: usize) -> Result<Option<u64>> {
        for _ in 0..n {
            self.leb()?;
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(bytes: &[u8]) -> Result<Vec<Region>> {
        let mut out = Vec::new();
        let names = ["/d".to_owned(), "/d/f.c".to_owned()];
        Function { names: &names, bases: vec![10], limit: 13 }.read(&mut Bytes(bytes), &mut out)?;
        Ok(out)
    }

    #[test]
    fn counts_are_sums_of_counters() {
        // One file, the second name; one expression, counter 0 less counter 1; three regions and a skipped one.
        let bytes = [
            1, 1, 1, 1, 5, // files, expressions
            4, // regions
            1, 4, 1, 15, 2, // counter 0: 4:1 to 19:2
            5, 2, 3, 0, 13, // counter 1: 6:3 to 6:13
            2, 5, 2, 8, 2, // the expression: 11:2 to 19:2
            0x10, 1, 1, 2, 7, // skipped
        ];
        let regions = function(&bytes).unwrap();
        let seen: Vec<_> = regions.iter().map(|r| (r.start, r.end, r.body, r.count.clone())).collect();
        assert_eq!(seen[0], ((4, 1), (19, 2), true, vec![(1, 10)]));
        assert_eq!(seen[1], ((6, 3), (6, 13), false, vec![(1, 11)]));
        assert_eq!(seen[2], ((11, 2), (19, 2), false, vec![(1, 10), (-1, 11)]));
        assert_eq!(seen.len(), 3);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert!(function(&[1, 7]).unwrap_err().contains("no name"));
        assert!(function(&[1, 1, 0, 1, 1, 4]).unwrap_err().contains("too early"));
        assert!(function(&[1, 1, 0, 1, 2, 4, 1, 0, 1]).unwrap_err().contains("missing"));
        // An expression of itself.
        assert!(function(&[1, 1, 1, 2, 2, 1, 2, 4, 1, 0, 1]).unwrap_err().contains("no end"));
        assert!(function(&[1, 1, 0, 1, 0x0d, 4, 1, 0, 1]).unwrap_err().contains("no such counter"));
        assert!(file_names(&[0; 16]).unwrap_err().contains("version 1"));
    }
}
