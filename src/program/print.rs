// SPDX-License-Identifier: GPL-2.0-only
//! Programs as text, in the canonical form: one spelling per program.

use std::fmt;

use super::geometry::{First, Geometry};
use super::words::print_size;
use super::{Fault, Op, Program, Turn};

/// Names of builders in text programs.
pub(super) const FIRSTS: [(First, &str); 3] = [(First::Embed, "embed"), (First::Page, "page"), (First::Info, "info")];

/// Schedule entries on one line, runs counted as one.
const PER_LINE: usize = 32;

/// The canonical name of a task.
pub fn task_name(task: u8) -> char {
    char::from(b'a' + task)
}

/// `4` for the first four CPUs, else a list such as `0-3,6`; `5-5` for CPU 5 alone.
pub(super) fn print_cpus(mask: u64) -> String {
    if mask & mask.wrapping_add(1) == 0 {
        return mask.count_ones().to_string();
    }
    let mut parts = Vec::new();
    let mut cpu = 0;
    while cpu < 64 {
        let run = (mask >> cpu).trailing_ones();
        match run {
            0 => cpu += 1,
            1 if mask.count_ones() > 1 => parts.push(cpu.to_string()),
            _ => parts.push(format!("{cpu}-{}", cpu + run - 1)),
        }
        cpu += run;
    }
    parts.join(",")
}

impl fmt::Display for Geometry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Geometry { cpus, groups, interleaved, static_size, reserved, dyn_size, atom, unit, first, kmem, pages } =
            *self;
        write!(f, "boot cpus={} groups={groups}", print_cpus(cpus))?;
        if interleaved {
            f.write_str("i")?;
        }
        for (name, size) in [("static", static_size), ("reserved", reserved), ("dyn", dyn_size), ("atom", atom)] {
            write!(f, " {name}={}", print_size(size))?;
        }
        if unit != 0 {
            write!(f, " unit={}", print_size(unit))?;
        }
        let kmem = if kmem { "on" } else { "off" };
        write!(f, " first={} kmem={kmem} pages={pages}", FIRSTS[first as usize].1)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault {} nth={}", self.site.name(), self.nth)?;
        match self.times {
            1 => Ok(()),
            u32::MAX => f.write_str(" times=all"),
            n => write!(f, " times={n}"),
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        self.print(&mut out);
        f.write_str(&out)
    }
}

fn print_ops(ops: &[Op], line: &mut String, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for op in ops {
        line.clear();
        op.print(line);
        writeln!(f, "  {line}")?;
    }
    Ok(())
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.boot)?;
        if self.unsafe_caller {
            writeln!(f, "unsafe-caller")?;
        }
        if let Some(memory) = &self.memory {
            writeln!(f, "{memory}")?;
        }
        let mut line = String::new();
        for (task, ops) in self.tasks.iter().enumerate() {
            writeln!(f, "task {}", task_name(task as u8))?;
            print_ops(ops, &mut line, f)?;
        }
        for shrinker in &self.shrinkers {
            writeln!(f, "{shrinker}")?;
            print_ops(&shrinker.ops, &mut line, f)?;
        }
        for handler in &self.handlers {
            writeln!(f, "{handler}")?;
            print_ops(&handler.ops, &mut line, f)?;
        }
        for fault in &self.faults {
            writeln!(f, "{fault}")?;
        }
        let runs: Vec<&[Turn]> = self.schedule.chunk_by(|a, b| a == b).collect();
        for entries in runs.chunks(PER_LINE) {
            write!(f, "schedule")?;
            for run in entries {
                match run.len() {
                    1 => write!(f, " {}", run[0])?,
                    n => write!(f, " {}*{n}", run[0])?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
