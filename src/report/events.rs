// SPDX-License-Identifier: GPL-2.0-only
//! Event logs for people: what `percuss replay` prints of the image's and the Model's events, and of a divergence.

use std::fmt::Write;

use owo_colors::OwoColorize;

use percuss_engine::worker::Logs;
use percuss_kernel::DRAIN;
use percuss_program::{Program, op_at};

/// An event as workers send it (`Name { field: value }`, numbers in hex without a prefix) in plainer words: `Name
/// field=0x1f`. The text comes from the derived `Debug`, so the punctuation of Rust is taken out here.
pub(super) fn plain(event: &str) -> String {
    // `TraceAlloc(TraceAlloc { .. })` says its name twice.
    let event = event.split_once('(').filter(|(a, b)| b.starts_with(a)).map_or(event, |(_, b)| b);
    let mut out = String::new();
    for token in event.split([' ', '{', '}', ',', '(', ')']).filter(|t| !t.is_empty()) {
        // A field and its value come as two tokens; its name ends with the `=` that joins them.
        if let Some(field) = token.strip_suffix(':') {
            let _ = write!(out, " {field}=");
            continue;
        }
        if !out.is_empty() && !out.ends_with(['=', '[']) && !token.starts_with(']') {
            out.push(' ');
        }
        let number = token.trim_matches(['[', ']']);
        // Workers write hex without a prefix, which would read as decimal. One digit below ten is the same in both.
        let hex = number.len() > 1 && number.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c));
        let shown = if hex || ["a", "b", "c", "d", "e", "f"].contains(&number) {
            token.replace(number, &format!("0x{number}"))
        } else {
            token.to_owned()
        };
        out.push_str(&shown);
    }
    out
}

fn begins(event: &str, program: &Program) -> Option<String> {
    let hex = event.strip_prefix("OpBegin { op: ")?.strip_suffix(" }")?;
    let number = u32::from_str_radix(hex, 16).ok()?;
    if number == DRAIN {
        return Some("drain: what is left is freed, the worker finishes".to_owned());
    }
    // The number of an op has its task in the upper eight bits.
    let task = char::from(b'a' + (number >> 24) as u8);
    let op = op_at(program, number)?;
    Some(format!("task {task}: {op}"))
}

/// Two event logs as one where they are equal; where they differ, the image's line (C) above the Model's (M). The
/// first difference is marked: what follows it is mostly its consequence.
pub fn log(program: &Program, logs: &Logs) -> String {
    let Logs { image, model, differs, .. } = logs;
    let mut out = String::new();
    for i in 0..image.len().max(model.len()) {
        let (a, b) = (image.get(i), model.get(i));
        if *differs == Some(i) {
            let _ = writeln!(out, "{}", "--- here the image (C) and the Model (M) part".red().bold());
        }
        // An event that both have is printed once. Later ones may be equal again: a difference does not end the
        // comparison.
        if let (Some(a), true) = (a, a == b) {
            match begins(a, program) {
                Some(op) => {
                    let _ = writeln!(out, "{}", op.bold());
                }
                // The boot has no op, and stands out like one all the same.
                None if a.starts_with("Boot ") => {
                    let _ = writeln!(out, "{}\n    {}", "boot".bold(), plain(a));
                }
                None => {
                    let _ = writeln!(out, "    {}", plain(a));
                }
            }
            continue;
        }
        let show = |e: Option<&String>| e.map_or("(end)".to_owned(), |e| plain(e));
        let _ = writeln!(out, "  C {}\n  M {}", show(a).red(), show(b).cyan());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_in_plain_words() {
        assert_eq!(
            plain("SpinUnlock { lock: Pcpu, irq: Save, digest: 4cdb }"),
            "SpinUnlock lock=Pcpu irq=Save digest=0x4cdb"
        );
        assert_eq!(plain("CondResched"), "CondResched");
        assert_eq!(
            plain("PageAlloc { node: 0, gfp: GFP_KERNEL, pfn: Some(a) }"),
            "PageAlloc node=0 gfp=GFP_KERNEL pfn=Some 0xa"
        );
        assert_eq!(plain("Diag { kind: Warn, nargs: 1, args: [10, 0, 0] }"), "Diag kind=Warn nargs=1 args=[0x10 0 0]");
    }
}
