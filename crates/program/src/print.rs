// SPDX-License-Identifier: GPL-2.0-only
//! Programs as text, in the canonical form: one spelling for each program, so that texts can be compared.

use std::fmt;

use super::words::task_name;
use super::{Op, Program, Turn};

/// Entries on one line of a schedule; a run of equal turns is one.
///
/// Keeps lines short enough for a mail.
const PER_LINE: usize = 32;

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
        // Equal turns in a row print as one entry with a count.
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
