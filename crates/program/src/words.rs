// SPDX-License-Identifier: GPL-2.0-only
//! The words of one line of a text program, and the names in it.
//!
//! Every reader takes words from the front and fails with the place of the word at fault, so that each error message
//! points at it.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use super::call::{self, ARGS, Arg, Call};
use super::error::{TextError, nearest};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{VARS, Var, limits};

/// The canonical name of a task: `a` for the first.
///
/// There are at most 16, so a letter suffices.
pub(super) fn task_name(task: u8) -> char {
    char::from(b'a' + task)
}

/// Names of variables and tasks with their numbers.
///
/// `v0` to `v255` are themselves; other names get the numbers that the text does not use, in order of appearance. A
/// program may therefore mix both, and the canonical form (numbers only) parses to the same program.
pub(super) struct Names<'t> {
    by_name: BTreeMap<String, Var>,
    taken: [bool; VARS],
    /// Names of tasks in order of appearance, collected before parsing: an op may name a task that is declared later.
    tasks: Vec<&'t str>,
}

impl<'t> Names<'t> {
    /// Collects task names and reserves the numbers that the text uses.
    ///
    /// Any word that looks like `v7` counts, in a comment too: a number reserved needlessly does no harm, one given
    /// twice would alias two variables.
    pub(super) fn new(text: &'t str) -> Names<'t> {
        let mut names = Names { by_name: BTreeMap::new(), taken: [false; VARS], tasks: tasks(text) };
        for word in text.split(|c: char| !is_name(c)) {
            if let Some(var) = numbered(word) {
                names.taken[usize::from(var.0)] = true;
            }
        }
        names
    }

    fn get(&mut self, name: &str) -> Option<Var> {
        if let Some(var) = numbered(name).or_else(|| self.by_name.get(name).copied()) {
            return Some(var);
        }
        // None when 256 names are in use; the caller then reports the name that is one too many.
        let free = self.taken.iter().position(|t| !t)?;
        self.taken[free] = true;
        self.by_name.insert(name.to_owned(), Var(free as u8));
        Some(Var(free as u8))
    }
}

/// Names after `task`, each once, at most [`limits::TASKS`]: the parser reports a longer list where it stands.
fn tasks(text: &str) -> Vec<&str> {
    let mut tasks = Vec::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or("").split_whitespace();
        if words.next() == Some("task")
            && let Some(name) = words.next().filter(|name| tasks.len() < limits::TASKS && !tasks.contains(name))
        {
            // `task a` may occur again to continue the task: names are listed once.
            tasks.push(name);
        }
    }
    tasks
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The number of `v7`.
///
/// `v07` and `v256` are names like any other, as numbers they would not print back the same.
fn numbered(word: &str) -> Option<Var> {
    let digits = word.strip_prefix('v')?;
    let n: u8 = digits.parse().ok()?;
    (n.to_string() == digits).then_some(Var(n))
}

/// A size in bytes, written `8192`, `8K` or `2M`; None for anything else and for what does not fit 32 bits.
pub(super) fn parse_size(word: &str) -> Option<u32> {
    let (digits, unit) = match word.as_bytes().last()? {
        b'K' | b'k' => (&word[..word.len() - 1], 1 << 10),
        b'M' | b'm' => (&word[..word.len() - 1], 1 << 20),
        _ => (word, 1),
    };
    parse_number(digits)?.checked_mul(unit)
}

fn parse_number(word: &str) -> Option<u32> {
    match word.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        // `u32::from_str` would accept a sign.
        // No sign: `+12` is a delta.
        None => word.bytes().all(|b| b.is_ascii_digit()).then(|| word.parse().ok())?,
    }
}

/// An argument that is a number: `64`, `-1`, `0xff`, a size such as `4K`, or a gfp mask by its names.
fn integer(word: &str) -> Option<i64> {
    // All 64 bits may be given, with or without a sign.
    let whole = |word: &str| match word.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok().map(|n| n as i64),
        None => word.parse::<i64>().ok().or_else(|| word.parse::<u64>().ok().map(|n| n as i64)),
    };
    whole(word).or_else(|| parse_size(word).map(i64::from)).or_else(|| word.parse::<Gfp>().ok().map(|g| g.0.into()))
}

/// The words of a line that are not taken yet.
pub(super) struct Words<'t, 'n> {
    text: &'t str,
    rest: Vec<Range<usize>>,
    /// The name before `=`, as a range of bytes of the text, until an op takes it.
    assigned: Option<Range<usize>>,
    /// Where the line ends, the place that errors about missing words point at.
    end: usize,
    names: &'n mut Names<'t>,
    first_cpu: u32,
}

impl<'t, 'n> Words<'t, 'n> {
    /// Splits a line at blanks; `#` starts a comment.
    ///
    /// `line` is a range of bytes of the text.
    pub(super) fn new(text: &'t str, line: Range<usize>, names: &'n mut Names<'t>, first_cpu: u32) -> Words<'t, 'n> {
        // A comment is cut off before splitting, so that words in it can say anything.
        let content = text[line.clone()].split('#').next().unwrap_or("").trim_end();
        let (mut rest, mut start) = (Vec::new(), None);
        for (i, c) in content.char_indices().chain([(content.len(), ' ')]) {
            match (c.is_whitespace(), start) {
                (false, None) => start = Some(i),
                (true, Some(s)) => {
                    rest.push(line.start + s..line.start + i);
                    start = None;
                }
                _ => {}
            }
        }
        Words { text, rest, assigned: None, end: line.start + content.len(), names, first_cpu }
    }

    /// Takes `x =` from the start of the line, if it is there.
    ///
    /// The blanks are optional: `x=alloc`, `x= alloc` and `x =alloc` mean the same.
    pub(super) fn take_assignment(&mut self) {
        let Some(first) = self.rest.first().cloned() else { return };
        // `x=alloc` is one word for the splitter; what follows the `=` becomes a word of its own.
        if let Some(at) = self.text[first.clone()].find('=') {
            self.rest.remove(0);
            let after = first.start + at + 1..first.end;
            if !after.is_empty() {
                self.rest.insert(0, after);
            }
            self.assigned = Some(first.start..first.start + at);
        } else if let Some(second) = self.rest.get(1).cloned().filter(|w| self.text[w.clone()].starts_with('=')) {
            self.rest.drain(..2);
            if second.len() > 1 {
                self.rest.insert(0, second.start + 1..second.end);
            }
            self.assigned = Some(first);
        }
    }

    pub(super) fn next(&mut self) -> Option<(&'t str, Range<usize>)> {
        if self.rest.is_empty() {
            return None;
        }
        let at = self.rest.remove(0);
        Some((&self.text[at.clone()], at))
    }

    pub(super) fn expect(&mut self, what: &str) -> Result<(&'t str, Range<usize>), TextError> {
        match self.next() {
            Some(word) => Ok(word),
            None => Err(self.error(self.end..self.end, format!("expected {what}, found the end of the line"), None)),
        }
    }

    pub(super) fn error(&self, at: Range<usize>, message: String, help: Option<String>) -> TextError {
        TextError::new(self.text, at, message, help)
    }

    /// An error of the form "expected …, found …", with the nearest candidate as help.
    pub(super) fn unexpected(&self, at: Range<usize>, what: &str, candidates: &[&str]) -> TextError {
        let word = &self.text[at.clone()];
        let help = nearest(word, candidates.iter().copied()).map(|c| format!("did you mean `{c}`?"));
        self.error(at, format!("expected {what}, found `{word}`"), help)
    }

    /// Takes a keyword wherever it stands in the rest of the line, so that optional operands may come in any order.
    ///
    /// Afterwards the word that followed the keyword is next, as its operand.
    pub(super) fn keyword(&mut self, keyword: &str) -> bool {
        let Some(i) = self.rest.iter().position(|w| &self.text[w.clone()] == keyword) else { return false };
        self.rest.remove(i);
        // Words before the keyword move to the end. They keep their byte ranges, so errors still point at the right
        // place.
        self.rest.rotate_left(i);
        true
    }

    /// Ends the line: fails if a word or an assignment is left that no operand took.
    pub(super) fn finish(mut self, candidates: &[&str]) -> Result<(), TextError> {
        if let Some(at) = self.assigned.take() {
            return Err(self.error(at, "this op returns nothing to assign".to_owned(), None));
        }
        // The leftmost word is reported: keywords may have moved others to the end.
        match self.rest.iter().min_by_key(|w| w.start) {
            Some(at) => Err(self.unexpected(at.clone(), "the end of the line", candidates)),
            None => Ok(()),
        }
    }

    pub(super) fn number(&mut self, what: &str, range: RangeInclusive<u32>) -> Result<u32, TextError> {
        let (word, at) = self.expect(what)?;
        parse_number(word).filter(|n| range.contains(n)).ok_or_else(|| self.unexpected(at, what, &[]))
    }

    pub(super) fn size(&mut self, what: &str) -> Result<u32, TextError> {
        let (word, at) = self.expect(what)?;
        parse_size(word).ok_or_else(|| self.unexpected(at, what, &[]))
    }

    /// An offset `+N`, found anywhere in the rest of the line; 0 when it is absent.
    pub(super) fn delta(&mut self) -> Result<u32, TextError> {
        let Some(i) = self.rest.iter().position(|w| self.text[w.clone()].starts_with('+')) else { return Ok(0) };
        let at = self.rest.remove(i);
        parse_size(&self.text[at.start + 1..at.end])
            .filter(|&n| n <= u32::from(u16::MAX))
            .ok_or_else(|| self.unexpected(at, "an offset, +0 to +65535", &[]))
    }

    pub(super) fn one_of<T: Copy>(&mut self, what: &str, names: &[(T, &str)]) -> Result<T, TextError> {
        let all: Vec<&str> = names.iter().map(|n| n.1).collect();
        // The message lists the names, as there are few.
        let what = format!("{what} ({})", all.join(", "));
        let (word, at) = self.expect(&what)?;
        names.iter().find(|n| n.1 == word).map(|n| n.0).ok_or_else(|| self.unexpected(at, &what, &all))
    }

    pub(super) fn variable(&mut self) -> Result<Var, TextError> {
        let (_, at) = self.expect("a variable")?;
        self.name(at)
    }

    /// A task by name; None when the line ends here, which ops take as the task itself.
    pub(super) fn task(&mut self) -> Result<Option<u8>, TextError> {
        let Some((name, at)) = self.next() else { return Ok(None) };
        match self.names.tasks.iter().position(|t| *t == name) {
            Some(task) => Ok(Some(task as u8)),
            None => Err(self.unexpected(at, "a task's name", &self.names.tasks)),
        }
    }

    /// The variable before `=`; an error when the line has no assignment.
    pub(super) fn assigned(&mut self) -> Result<Var, TextError> {
        match self.assigned.take() {
            Some(at) => self.name(at),
            None => {
                let help = Some("write `x = alloc …`".to_owned());
                Err(self.error(self.end..self.end, "expected a variable to assign".to_owned(), help))
            }
        }
    }

    /// The variable before `=`, where there is one.
    pub(super) fn assigned_if_any(&mut self) -> Result<Option<Var>, TextError> {
        self.assigned.take().map(|at| self.name(at)).transpose()
    }

    /// A function's name and its arguments, to the end of the line.
    pub(super) fn call(&mut self) -> Result<Call, TextError> {
        let (name, at) = self.expect("a function's name")?;
        if !call::is_name(name) {
            return Err(self.unexpected(at, "a function's name", &[]));
        }
        let mut args = Vec::new();
        while let Some((word, at)) = self.next() {
            if args.len() == ARGS {
                return Err(self.error(at, format!("more than {ARGS} arguments"), None));
            }
            args.push(match integer(word) {
                Some(n) => Arg::Int(n),
                None => Arg::Var(self.name(at)?),
            });
        }
        Ok(Call::new(name, &args))
    }

    fn name(&mut self, at: Range<usize>) -> Result<Var, TextError> {
        let name = &self.text[at.clone()];
        if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') || !name.chars().all(is_name) {
            return Err(self.unexpected(at, "a variable", &[]));
        }
        let text = self.text;
        self.names
            .get(name)
            .ok_or_else(|| TextError::new(text, at, format!("more than {VARS} variables with `{name}`"), None))
    }

    /// The first possible CPU, the default of address queries that name none.
    pub(super) fn first_cpu(&self) -> u32 {
        self.first_cpu
    }

    /// A gfp mask: names or numbers joined by `|`, with or without blanks around it.
    pub(super) fn gfp(&mut self) -> Result<Gfp, TextError> {
        let (_, first) = self.expect("a gfp mask")?;
        let mut end = first.end;
        // Words belong to the mask as long as a `|` stands at the seam.
        while let Some(next) = self.rest.first().cloned() {
            if !self.text[next.clone()].starts_with('|') && !self.text[..end].ends_with('|') {
                break;
            }
            end = next.end;
            self.rest.remove(0);
        }
        let mask = &self.text[first.start..end];
        mask.parse().map_err(|_| {
            // Point at the one flag that is wrong.
            let mut at = first.start;
            for flag in mask.split('|') {
                let name = flag.trim();
                if name.parse::<Gfp>().is_err() {
                    let start = at + (flag.len() - flag.trim_start().len());
                    let known: Vec<&str> = Gfp::NAMES.iter().map(|n| n.0).collect();
                    return self.unexpected(start..start + name.len(), "a gfp flag or a mask", &known);
                }
                at += flag.len() + 1;
            }
            self.unexpected(first.clone(), "a gfp mask", &[])
        })
    }
}
