// SPDX-License-Identifier: GPL-2.0-only
//! A finding's detail and its program as text, for all reports that show one.

use std::fmt::Write;

use owo_colors::OwoColorize;

use super::layout::wrap;
use percuss_engine::campaign::Case;
use percuss_oracle::Detail;
use percuss_program::Program;

/// Lines of a program that are shown. What is longer is in a file.
const PROGRAM_LINES: usize = 25;

/// What a rule compared; the kernel's reports keep their lines.
pub(super) fn report(detail: &Detail, width: usize) -> String {
    match detail {
        Detail::Parting { event, left: image, right: model } => {
            let mut out = format!("report   event {event}\n");
            out += &wrap(&format!("      {}  ", "C".red()), 9, &super::events::plain(image), width);
            out += &wrap(&format!("      {}  ", "M".cyan()), 9, &super::events::plain(model), width);
            out
        }
        Detail::Text(text) if text.contains('\n') => format!("report\n{}\n", indent(text)),
        Detail::Text(text) => wrap("report   ", 9, text, width),
    }
}

fn indent(text: &str) -> String {
    text.trim_end().lines().map(|line| format!("  {line}").trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// A program, each line after a bar, with the file that it is saved in.
pub(super) fn program(out: &mut String, program: &Program, margin: &str, case: Option<&Case>, width: usize) {
    let text = program.to_string();
    let lines: Vec<&str> = text.lines().collect();
    // One line more is shown rather than replaced by a line that says it is missing.
    let shown = if lines.len() > PROGRAM_LINES + 1 { PROGRAM_LINES } else { lines.len() };
    for line in &lines[..shown] {
        let wrapped = if line.starts_with("boot ") || line.starts_with("schedule ") {
            wrap("", 5, line, width.saturating_sub(margin.len() + 2))
        } else {
            format!("{line}\n")
        };
        for line in wrapped.lines() {
            let _ = writeln!(out, "{margin}{}", format!("| {line}").dimmed());
        }
    }
    let file = case.and_then(|c| c.file.as_ref());
    let more = lines.len() - shown;
    match file {
        Some(f) if more > 0 => writeln!(out, "{margin}({more} more lines, see {})", f.display()),
        Some(f) => writeln!(out, "{margin}saved as {}", f.display()),
        None if more > 0 => writeln!(out, "{margin}({more} more lines)"),
        None => Ok(()),
    }
    .expect("a string takes everything");
}
