// SPDX-License-Identifier: GPL-2.0-only
//! Findings of one program, as `percuss replay` shows them.

use std::fmt::Write;

use owo_colors::OwoColorize;

use super::layout::{plural, wrap};
use super::program::report;
use percuss_engine::judge::{Batch, Found};
use percuss_program::Program;

/// Findings of one program, for `percuss replay`, with a verdict in the last line. A program of an unsafe caller
/// breaks the allocator's rules on purpose: its findings are shown, but not counted against the tree.
pub fn findings(p: &Program, b: &Batch, width: usize) -> String {
    let mut out = String::new();
    for Found { finding: f, .. } in &b.found {
        let label = match f.quirk {
            Some(q) => format!("known {q}  "),
            None if p.unsafe_caller => "caller error  ".to_owned(),
            None => "NEW  ".to_owned(),
        };
        // A caller error is what such a program is written to show, so it is no alarm.
        let coloured = if f.quirk.is_some() || p.unsafe_caller {
            label.yellow().to_string()
        } else {
            label.red().bold().to_string()
        };
        out += &wrap(&coloured, label.len(), &f.title, width);
        if let Some(quirk) = f.quirk {
            let fix = quirk.fix().map_or_else(|| "none known".to_owned(), |fix| fix.to_string());
            out += &wrap("quirk    ", 9, quirk.summary(), width);
            out += &wrap("fix      ", 9, &fix, width);
        }
        out += &wrap("oracle   ", 9, f.oracle.name(), width);
        out += &report(&f.detail, width);
        out.push('\n');
    }
    if p.has_calls() {
        let mut names: Vec<&str> = p.calls().iter().map(|call| call.name()).collect();
        names.sort_unstable();
        names.dedup();
        let text = format!("by rules alone: the Model does not know {}", names.join(", "));
        out += &wrap("judged   ", 9, &text, width);
    }
    let new = b.found.iter().filter(|f| f.finding.quirk.is_none()).count();
    let _ = match (new, b.found.len() - new) {
        (0, 0) => writeln!(out, "{}", "no finding".green().bold()),
        (0, n) => writeln!(out, "{}, {n} known", "nothing new".green().bold()),
        (_, _) if p.unsafe_caller => {
            writeln!(out, "{}", "caller error: nothing is counted against the tree".yellow().bold())
        }
        (new, n) => writeln!(out, "{}, {n} known", plural(new as u64, "new finding").red().bold()),
    };
    out
}
