// SPDX-License-Identifier: GPL-2.0-only
//! Parses programs from text. The form is described in `docs/programs.md`.
//!
//! Lines are read in order; what a line may refer to later (tasks in schedules, the contract, the geometry as a whole)
//! is checked at the end, with the places kept until then.

use std::collections::BTreeMap;
use std::ops::Range;
use std::str::FromStr;

use super::error::{TextError, nearest};
use super::op::{Op, TABLE};
use super::operand::HARDNESS;
use super::shrinker::KINDS;
use super::words::{Names, Words, parse_size};
use super::{Handler, Program, Shrinker, Turn, schedule};
use percuss_kernel::event::Site;
use percuss_kernel::geometry::Geometry;
use percuss_kernel::memory::MEMORY;
use percuss_kernel::text::FIRSTS;
use percuss_kernel::{Fault, Memory, limits};

/// Words that start a line other than ops, as candidates for corrections.
const DIRECTIVES: [&str; 8] = ["boot", "unsafe-caller", "memory", "task", "shrinker", "handler", "fault", "schedule"];

/// Parameters of `boot`.
///
/// The names are those in [`GeometryError`](super::GeometryError) too, so that an error points at the parameter.
pub(super) const BOOT: [&str; 10] =
    ["cpus", "groups", "static", "reserved", "dyn", "atom", "unit", "first", "kmem", "pages"];

/// The list that ops are read into, with its index.
#[derive(Clone, Copy)]
enum Owner {
    Task(usize),
    Shrinker(usize),
    Handler(usize),
}

/// The state of a parser between two lines.
struct Parser<'t> {
    text: &'t str,
    program: Program,
    names: Names<'t>,
    tasks: BTreeMap<&'t str, usize>,
    /// The list that the next op goes to; None before the first `task`.
    current: Option<Owner>,
    boot_at: Option<Range<usize>>,
    /// Place of the value of each geometry parameter that was given.
    given: BTreeMap<&'static str, Range<usize>>,
    ops: usize,
    /// Place of each op's name by task, for errors that are found at the end.
    op_at: Vec<Vec<Range<usize>>>,
    shrinker_op_at: Vec<Vec<Range<usize>>>,
    handler_op_at: Vec<Vec<Range<usize>>>,
    /// Entries of schedules as name, points, count and place.
    ///
    /// Names are looked up at the end, as a schedule may come before the tasks it names.
    schedule: Vec<(&'t str, u32, usize, Range<usize>)>,
}

impl FromStr for Program {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Program, TextError> {
        let mut parser = Parser {
            text,
            program: Program { tasks: Vec::new(), ..Program::default() },
            names: Names::new(text),
            tasks: BTreeMap::new(),
            current: None,
            boot_at: None,
            given: BTreeMap::new(),
            ops: 0,
            op_at: Vec::new(),
            shrinker_op_at: Vec::new(),
            handler_op_at: Vec::new(),
            schedule: Vec::new(),
        };
        let mut start = 0;
        // Not `lines()`, which would hide the `\r` that the ranges must count.
        for line in text.split('\n') {
            parser.line(start..start + line.len())?;
            start += line.len() + 1;
        }
        parser.finish()
    }
}

impl<'t> Parser<'t> {
    fn line(&mut self, line: Range<usize>) -> Result<(), TextError> {
        // `boot` comes first in practice; ops before it get the first CPU of the default machine.
        let first_cpu = self.program.boot.cpus.trailing_zeros();
        // Words borrow the names while the directive borrows the parser.
        let mut names = std::mem::replace(&mut self.names, Names::new(""));
        let mut words = Words::new(self.text, line, &mut names, first_cpu);
        words.take_assignment();
        let result = match words.next() {
            None => words.finish(&[]),
            Some((name, at)) => match name {
                "boot" => self.boot(words, at),
                "unsafe-caller" => {
                    self.program.unsafe_caller = true;
                    words.finish(&[])
                }
                "memory" => self.memory(words, at),
                "task" => self.task(words),
                "shrinker" => self.shrinker(words, at),
                "handler" => self.handler(words, at),
                "fault" => self.fault(words, at),
                "schedule" => self.schedule(words),
                _ => self.op(words, name, at),
            },
        };
        self.names = names;
        result
    }

    fn op(&mut self, mut words: Words<'t, '_>, name: &str, at: Range<usize>) -> Result<(), TextError> {
        // Directives were matched before, so this is an op or a mistake.
        let Some(row) = TABLE.iter().position(|op| op.name == name) else {
            let known: Vec<&str> = TABLE.iter().map(|op| op.name).chain(DIRECTIVES).collect();
            return Err(words.unexpected(at, "an op or a directive", &known));
        };
        let Some(owner) = self.current else {
            let help = Some("start a task with `task a` before the first op".to_owned());
            return Err(words.error(at, format!("`{name}` belongs to no task"), help));
        };
        // Checked before the op is stored, to bound the memory that a text can take.
        if self.ops == limits::OPS {
            return Err(words.error(at, format!("more than {} ops", limits::OPS), None));
        }
        let op = Op::parse(row, &mut words)?;
        // Optional operands are named by their first word, `[align N]` by `align`.
        let keywords: Vec<&str> = TABLE[row]
            .operands
            .iter()
            .filter_map(|o| o.strip_prefix('['))
            .map(|o| o.split([' ', ']']).next().unwrap_or(o))
            .collect();
        words.finish(&keywords)?;
        self.ops += 1;
        let (ops, places) = match owner {
            Owner::Task(i) => (&mut self.program.tasks[i], &mut self.op_at[i]),
            Owner::Shrinker(i) => (&mut self.program.shrinkers[i].ops, &mut self.shrinker_op_at[i]),
            Owner::Handler(i) => (&mut self.program.handlers[i].ops, &mut self.handler_op_at[i]),
        };
        ops.push(op);
        places.push(at);
        Ok(())
    }

    fn task(&mut self, mut words: Words<'t, '_>) -> Result<(), TextError> {
        let (name, at) = words.expect("the task's name")?;
        let next = self.tasks.len();
        // A name that occurred before continues its task.
        let index = *self.tasks.entry(name).or_insert(next);
        if index == limits::TASKS {
            return Err(words.error(at, format!("more than {} tasks", limits::TASKS), None));
        }
        // These have a meaning in schedules, where the task could not be named.
        if name.contains(['*', '=', ':', '!']) {
            return Err(words.unexpected(at, "the task's name", &[]));
        }
        if index == next {
            self.program.tasks.push(Vec::new());
            self.op_at.push(vec![]);
        }
        self.current = Some(Owner::Task(index)); // a task may be continued
        words.finish(&[])
    }

    fn shrinker(&mut self, mut words: Words<'t, '_>, at: Range<usize>) -> Result<(), TextError> {
        // The kind comes first and has no default, as it decides what the ops may do.
        let gated = words.one_of("the kind of shrinker", &KINDS)?;
        let mut objects = 1;
        // Parameters in any order, each with the error at its own value.
        while let Some((word, at)) = words.next() {
            match word.strip_prefix("objects=").and_then(|n| n.parse().ok()) {
                Some(n) => objects = n,
                None => return Err(words.unexpected(at, "objects=N, 0 to 255", &["objects=1"])),
            }
        }
        let index = self.program.shrinkers.len();
        if index == limits::SHRINKERS {
            return Err(words.error(at, format!("more than {} shrinkers", limits::SHRINKERS), None));
        }
        self.program.shrinkers.push(Shrinker { gated, objects, ops: Vec::new() });
        self.shrinker_op_at.push(Vec::new());
        self.current = Some(Owner::Shrinker(index));
        words.finish(&[])
    }

    fn handler(&mut self, mut words: Words<'t, '_>, at: Range<usize>) -> Result<(), TextError> {
        let hard = words.one_of("a kind of interrupt", &HARDNESS)?;
        let index = self.program.handlers.len();
        if index == limits::HANDLERS {
            return Err(words.error(at, format!("more than {} handlers", limits::HANDLERS), None));
        }
        self.program.handlers.push(Handler { hard, ops: Vec::new() });
        self.handler_op_at.push(Vec::new());
        self.current = Some(Owner::Handler(index));
        words.finish(&[])
    }

    fn memory(&mut self, mut words: Words<'t, '_>, at: Range<usize>) -> Result<(), TextError> {
        if self.program.memory.is_some() {
            return Err(words.error(at, "a second `memory`".to_owned(), None));
        }
        let mut memory = Memory::default();
        while let Some((word, at)) = words.next() {
            let Some((key, value)) = word.split_once('=').filter(|(key, _)| MEMORY.contains(key)) else {
                let key = at.start..at.start + word.find('=').unwrap_or(word.len());
                return Err(words.unexpected(key, "a parameter of memory", &MEMORY));
            };
            if let Err(expected) = memory.set(key, value) {
                let value_at = at.start + key.len() + 1..at.end;
                return Err(words.error(value_at, format!("expected {expected}, found `{value}`"), None));
            }
        }
        self.program.memory = Some(memory);
        words.finish(&[])
    }

    fn fault(&mut self, mut words: Words<'t, '_>, at: Range<usize>) -> Result<(), TextError> {
        let mut fault = Fault { site: words.one_of("a site", &Site::ALL)?, nth: 1, times: 1 };
        while let Some((word, at)) = words.next() {
            let number = |n: &str| n.parse::<u32>().ok().filter(|&n| n > 0);
            match word.split_once('=') {
                Some(("nth", n)) if number(n).is_some() => fault.nth = number(n).unwrap_or(1),
                Some(("times", "all")) => fault.times = u32::MAX,
                Some(("times", n)) if number(n).is_some() => fault.times = number(n).unwrap_or(1),
                _ => {
                    return Err(words.unexpected(
                        at,
                        "nth=N or times=N (1 or more; times=all)",
                        &["nth=1", "times=1", "times=all"],
                    ));
                }
            }
        }
        if self.program.faults.len() == limits::FAULTS {
            return Err(words.error(at, format!("more than {} faults", limits::FAULTS), None));
        }
        self.program.faults.push(fault);
        words.finish(&[])
    }

    fn schedule(&mut self, mut words: Words<'t, '_>) -> Result<(), TextError> {
        while let Some((word, at)) = words.next() {
            let Some((name, points, times)) = schedule::split(word) else {
                return Err(words.unexpected(at, "a task's name, NAME:POINTS or NAME*COUNT", &[]));
            };
            if times > limits::SCHEDULE {
                return Err(words.error(at, format!("more than {} schedule entries", limits::SCHEDULE), None));
            }
            // Kept with its count, as `a*65536` must not take memory before it is checked.
            self.schedule.push((name, points, times, at));
        }
        words.finish(&[])
    }

    fn boot(&mut self, mut words: Words<'t, '_>, at: Range<usize>) -> Result<(), TextError> {
        if self.boot_at.is_some() {
            return Err(words.error(at, "a second `boot`".to_owned(), None));
        }
        self.boot_at = Some(at);
        while let Some((word, at)) = words.next() {
            if word == "interleaved" {
                self.program.boot.interleaved = true;
                continue;
            }
            let Some((key, value)) = word.split_once('=') else {
                return Err(words.unexpected(at, "PARAMETER=VALUE", &BOOT));
            };
            // The static name, for the map of places and for errors of the geometry.
            let Some(key) = BOOT.into_iter().find(|&k| k == key) else {
                return Err(words.unexpected(at.start..at.start + key.len(), "a parameter of boot", &BOOT));
            };
            let value_at = at.start + key.len() + 1..at.end;
            if let Err((expected, help)) = set(&mut self.program.boot, key, value) {
                let message = format!("expected {expected}, found `{value}`");
                return Err(words.error(value_at, message, help));
            }
            // The last one winning silently would hide a mistake.
            if self.given.insert(key, value_at).is_some() {
                return Err(words.error(at, format!("`{key}` is given twice"), None));
            }
        }
        words.finish(&[])
    }

    /// Refuses a program that breaks the caller contract without the mark `unsafe-caller`.
    fn keep_contract(&self) -> Result<(), TextError> {
        let Some(broken) = self.program.violations().into_iter().next().filter(|_| !self.program.unsafe_caller) else {
            return Ok(());
        };
        let ops = match broken.task {
            t if t < self.op_at.len() => &self.op_at[t],
            t if t < limits::TASKS + limits::SHRINKERS => &self.shrinker_op_at[t - limits::TASKS],
            t => &self.handler_op_at[t - limits::TASKS - limits::SHRINKERS],
        };
        // What is missing at the end of a list is reported at its last op.
        let end = self.text.len()..self.text.len();
        let at = ops.get(broken.op).or(ops.last()).cloned().unwrap_or(end);
        let help = Some("mark the program `unsafe-caller` if it means to break the caller contract".to_owned());
        Err(TextError::new(self.text, at, format!("caller error, {}", broken.rule), help))
    }

    fn finish(mut self) -> Result<Program, TextError> {
        let end = self.text.len()..self.text.len();
        // First the machine: the contract depends on its CPUs.
        if let Err(e) = self.program.boot.check() {
            let at = self.given.get(e.field).cloned().or(self.boot_at).unwrap_or(end);
            return Err(TextError::new(self.text, at, e.to_string(), None));
        }
        if self.program.tasks.is_empty() {
            let help = Some("start one with `task a`".to_owned());
            return Err(TextError::new(self.text, end, "a program has at least one task".to_owned(), help));
        }
        self.keep_contract()?;
        for (name, points, times, at) in self.schedule {
            // Tasks are looked up first, so a task may be called kswapd.
            let kswapd = (name == Turn::KSWAPD_NAME).then_some(usize::from(Turn::KSWAPD));
            // Handlers run to their end, so `!0:3` names none.
            let handler = name.strip_prefix('!').and_then(|n| n.parse().ok()).filter(|_| points == 0);
            let handler =
                handler.filter(|n| *n < self.program.handlers.len()).map(|n| usize::from(Turn::handler(n).lane));
            let Some(lane) = self.tasks.get(name).copied().or(kswapd).or(handler) else {
                if name.starts_with('!') {
                    let message = format!("the schedule fires `{name}`, which is no handler");
                    let help = "handlers are numbered from `!0` on, and run to their end".to_owned();
                    return Err(TextError::new(self.text, at, message, Some(help)));
                }
                let help = nearest(name, self.tasks.keys().copied()).map(|t| format!("did you mean `{t}`?"));
                return Err(TextError::new(
                    self.text,
                    at,
                    format!("the schedule names `{name}`, which is no task"),
                    help,
                ));
            };
            if self.program.schedule.len() + times > limits::SCHEDULE {
                let message = format!("more than {} schedule entries", limits::SCHEDULE);
                return Err(TextError::new(self.text, at, message, None));
            }
            self.program.schedule.extend(std::iter::repeat_n(Turn { lane: lane as u8, points }, times));
        }
        Ok(self.program)
    }
}

/// Sets a parameter of a geometry.
///
/// The error says what the value should look like, and perhaps which value was meant.
fn set(boot: &mut Geometry, key: &str, value: &str) -> Result<(), (&'static str, Option<String>)> {
    let size = || parse_size(value).ok_or(("a size such as 8192, 8K or 2M", None));
    let choice = |names: &[&'static str]| nearest(value, names.iter().copied()).map(|n| format!("did you mean `{n}`?"));
    match key {
        "cpus" => boot.cpus = parse_cpus(value).ok_or(("a count, 1 to 64, or a list of CPUs such as 0-3,6", None))?,
        "groups" => {
            let (count, interleaved) = value.strip_suffix('i').map_or((value, false), |count| (count, true));
            boot.groups = count.parse().map_err(|_| ("a number of nodes, such as 2, or 2i for interleaved", None))?;
            boot.interleaved |= interleaved;
        }
        "static" => boot.static_size = size()?,
        "reserved" => boot.reserved = size()?,
        "dyn" => boot.dyn_size = size()?,
        "atom" => boot.atom = size()?,
        "unit" => boot.unit = size()?,
        // A plain number: pages have no K or M.
        "pages" => boot.pages = value.parse().map_err(|_| ("a number of pages", None))?,
        "kmem" => match value {
            "on" => boot.kmem = true,
            "off" => boot.kmem = false,
            _ => return Err(("on or off", None)),
        },
        "first" => {
            let names = FIRSTS.map(|f| f.1);
            let known = FIRSTS.iter().find(|f| f.1 == value);
            boot.first = known.ok_or_else(|| ("embed, page or info", choice(&names)))?.0;
        }
        _ => unreachable!("every name in BOOT is set above"),
    }
    Ok(())
}

/// Parses a mask of CPUs: `4` for the first four, or a list such as `0-3,6`.
///
/// None if it is empty or goes beyond CPU 63.
fn parse_cpus(value: &str) -> Option<u64> {
    if let Ok(count) = value.parse::<u32>() {
        return (1..=64).contains(&count).then(|| u64::MAX >> (64 - count));
    }
    let mut mask = 0;
    for part in value.split(',').filter(|p| !p.is_empty()) {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        let (low, high): (u32, u32) = (low.parse().ok()?, high.parse().ok()?);
        if low > high || high > 63 {
            return None;
        }
        // A run of bits from `low` to `high`; the shift stays below 64 for both ends.
        mask |= u64::MAX >> (63 - (high - low)) << low;
    }
    (mask != 0).then_some(mask)
}
