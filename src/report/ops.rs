// SPDX-License-Identifier: GPL-2.0-only
//! What happened in a run, a line for each op: the first thing that `percuss replay` shows after the program.
//!
//! Words that the tree printed are shown as they are, on lines of their own that begin with a bar. All other words are
//! percuss's.

use std::fmt::Write;

use owo_colors::OwoColorize;

use super::layout::{count, plural, wrap};
use percuss_engine::judge::audit::Failure;
use percuss_engine::judge::story::{Place, Row};
use percuss_program::Program;

/// Lines of the list unless all are asked for: with the program and the findings that is two screens.
const LINES: usize = 60;
/// Rows alike from which on they are counted instead of shown, when not all fit.
const ALIKE: usize = 4;
/// Column where the result of an op begins, if the op is short enough. Half of 80.
const RESULT: usize = 40;
/// A blank at which no line breaks, until all lines are broken.
const GLUE: char = '\u{a0}';
/// Lines of a program that is shown in full. A longer one would be read twice, here and op by op.
const PROGRAM: usize = 30;

/// The program as text. Unless `all` is asked for, a long one is shown without its ops, which [`ops`] shows.
pub fn replayed(program: &Program, all: bool) -> String {
    let text = program.to_string();
    let ops = text.lines().filter(|l| l.starts_with("  ")).count();
    if all || ops <= PROGRAM {
        return text;
    }
    let mut out = String::new();
    for line in text.lines().filter(|l| !l.starts_with("  ")) {
        let _ = writeln!(out, "{line}");
    }
    let _ = writeln!(out, "({} are below)", plural(ops as u64, "op"));
    out
}

/// The rows as text, at most `LINES` lines unless `all`. `cpus` is the number of possible CPUs, each of which has a
/// copy of every page.
pub fn ops(rows: &[Row], cpus: u32, all: bool, width: usize) -> String {
    list(rows, cpus, all, width).replace(GLUE, " ")
}

fn list(rows: &[Row], cpus: u32, all: bool, width: usize) -> String {
    let whole: Vec<Vec<String>> = rows.iter().map(|row| lines(row, cpus, width)).collect();
    let head = format!("{}{}\n", "what happened".bold(), chunks(rows));
    let length = |some: &[Vec<String>]| some.iter().map(Vec::len).sum::<usize>();
    if all || length(&whole) <= LINES {
        return head + &whole.concat().concat();
    }
    let some = alike(rows, whole, cpus, width);
    if length(&some) <= LINES {
        return head + &some.concat().concat();
    }
    // The end is what led to a finding; the beginning says from what state.
    let lines = some.concat();
    let (first, last) = (LINES / 3, LINES - LINES / 3 - 1);
    let left = lines.len() - first - last;
    let note = format!("         ({} left out: --ops all shows them)\n", plural(left as u64, "line"));
    head + &lines[..first].concat() + &note.dimmed().to_string() + &lines[lines.len() - last..].concat()
}

/// Where the chunks are that boot made; rows say it of the others. Findings name chunks by their address.
fn chunks(rows: &[Row]) -> String {
    let area = |name: &str| rows.iter().filter_map(|r| r.area.as_ref()).find(|a| a.chunk == name);
    let all = ["first", "reserved"].map(|n| area(n).map(|a| format!("{n} chunk at {:#x}", a.base)));
    let all: Vec<String> = all.into_iter().flatten().collect();
    if all.is_empty() { String::new() } else { format!("  {}", all.join(", ")) }
}

/// Rows that differ only in where their areas are, in one line after the first of them.
fn alike(rows: &[Row], whole: Vec<Vec<String>>, cpus: u32, width: usize) -> Vec<Vec<String>> {
    let mut out = Vec::new();
    let mut whole = whole.into_iter();
    for run in rows.chunk_by(same_kind) {
        let mut shown: Vec<_> = whole.by_ref().take(run.len()).collect();
        if run.len() >= ALIKE {
            shown.truncate(1);
            let last = &run[run.len() - 1];
            let text =
                format!("{} more alike, to {}{}", count(run.len() as u64 - 1), last.label, outcome(last, cpus, ": "));
            let first = format!("         {}", " ".repeat(2 * last.depth));
            shown.push(vec![wrap(&first, 9 + 2 * last.depth, &text, width)]);
        }
        out.extend(shown);
    }
    out
}

/// Both are ops of one list with the same name, and the same came of them.
fn same_kind(a: &Row, b: &Row) -> bool {
    // The name comes first, or after the variable and the equals sign.
    let name = |r: &Row| r.text.split(" = ").last().and_then(|op| op.split(' ').next()).map(str::to_owned);
    a.op.is_some() && name(a) == name(b) && a.shape() == b.shape()
}

fn outcome(row: &Row, cpus: u32, lead: &str) -> String {
    let all = results(row, cpus);
    if all.is_empty() { String::new() } else { format!("{lead}{}", all.join("; ")) }
}

/// The lines of a row: the op and its result, then what the tree printed.
fn lines(row: &Row, cpus: u32, width: usize) -> Vec<String> {
    let indent = 2 * row.depth;
    let text = short(&row.text);
    let mut first = format!("{:indent$}{:<7} {text}", "", row.label).trim_end().to_owned();
    let result = outcome(row, cpus, "");
    let mut out = Vec::new();
    let length = first.chars().count();
    if length + 2 > RESULT && length + 2 + result.chars().count() > width {
        // A long op has a line to itself.
        out.push(first + "\n");
        first = String::new();
    }
    let at = first.chars().count();
    let column = RESULT.max(if at == 0 { 0 } else { at + 2 });
    if !result.is_empty() {
        let lead = format!("{first}{}", " ".repeat(column - at));
        // Only the first line stands after a long op; the others go back to the column of results.
        let mut wrapped = wrap(&lead, column, &result, width);
        if column > RESULT {
            wrapped = wrapped.replace(&format!("\n{}", " ".repeat(column)), &format!("\n{}", " ".repeat(RESULT)));
        }
        out.extend(wrapped.lines().map(|l| format!("{l}\n")));
    } else if !first.is_empty() {
        out.push(first + "\n");
    }
    for message in &row.messages {
        let lead = format!("{:1$}| ", "", indent + 8);
        for line in wrap("", 0, message, width.saturating_sub(lead.len())).lines() {
            let line = if row.warned { line.red().to_string() } else { line.yellow().to_string() };
            out.push(format!("{lead}{line}\n"));
        }
    }
    out
}

/// The op without what is the default, so that the result fits beside it.
fn short(text: &str) -> String {
    let text = text.replace(" align 8 gfp ", " gfp ");
    text.strip_suffix(" gfp GFP_KERNEL").map_or(text.clone(), str::to_owned)
}

fn place(area: &Place) -> String {
    match area.chunk.as_str() {
        name @ ("first" | "reserved") => format!("{name} chunk {:+}", area.offset),
        number => format!("chunk {number} {:+}", area.offset),
    }
}

/// Everything that became of an op, a phrase each.
fn results(row: &Row, cpus: u32) -> Vec<String> {
    let mut out: Vec<String> = row.area.iter().map(place).collect();
    if let Some(why) = row.failed {
        let words = words(why, &row.refused);
        out.push(if row.messages.is_empty() {
            format!("NULL, nothing printed: {words}")
        } else {
            format!("NULL: {words}")
        });
    }
    out.extend(row.answer.map(answer));
    if row.freed > 0 {
        out.push(format!("frees {}", plural(row.freed, "area")));
    }
    if let Some(lock) = &row.killed {
        out.push(format!("killed while waiting for {lock}"));
    } else if let Some(lock) = row.waits.first() {
        let times = row.waits.iter().filter(|l| *l == lock).count();
        let again = if times > 1 { format!(" {times} times") } else { String::new() };
        out.push(format!("waits for {lock}{again}"));
        let mut others: Vec<&String> = row.waits.iter().filter(|l| *l != lock).collect();
        others.dedup();
        out.extend(others.into_iter().map(|lock| format!("waits for {lock}")));
    }
    out.extend(row.made.iter().map(|c| format!("makes chunk {} at {:#x}", c.chunk, c.base)));
    if row.populated > 0 {
        out.push(format!("populates {}", pages(row.populated, cpus)));
    }
    if row.depopulated > 0 {
        out.push(format!("depopulates {}", pages(row.depopulated, cpus)));
    }
    match &row.destroyed[..] {
        [] => {}
        [one] => out.push(format!("destroys chunk {one}")),
        some => out.push(format!("destroys chunks {}", some.join(", "))),
    }
    if row.queued {
        out.push("queues work".to_owned());
    }
    if row.failed.is_none() && !row.refused.is_empty() {
        out.push(format!("no {}", row.refused.join(", no ")));
    }
    memory(row, &mut out);
    match &row.ends {
        Some(reason) => out.push(format!("the program ends here: {reason}")),
        None if !row.ended => out.push("never returns".to_owned()),
        None => {}
    }
    out
}

fn memory(row: &Row, out: &mut Vec<String>) {
    let times = |n: u32| if n > 1 { format!(" {n} times") } else { String::new() };
    if row.reclaims > 0 {
        out.push(format!("reclaims memory{}", times(row.reclaims)));
    }
    if row.retries > 0 {
        out.push(format!("tries again{}", times(row.retries)));
    }
    if row.oom_kills > 0 {
        out.push(format!("calls the OOM killer{}", times(row.oom_kills)));
    }
}

/// Pages of one unit and how many units have them, where all have as many.
fn pages(n: u64, cpus: u32) -> String {
    let cpus = u64::from(cpus.max(1));
    if n.is_multiple_of(cpus) && cpus > 1 {
        // `x4` alone on a line would say nothing.
        return format!("{}{GLUE}x{cpus}", plural(n / cpus, "page"));
    }
    plural(n, "page")
}

/// Why an allocation failed, and what it lacked. The tree may have printed more.
fn words(why: Failure, refused: &[String]) -> String {
    let lacks = if refused.is_empty() { "no memory".to_owned() } else { format!("no {}", refused.join(", no ")) };
    match why {
        Failure::Injected => format!("{lacks}, by the fault plan or the page budget"),
        Failure::Pressure => lacks,
        Failure::Early => "taken for atomic although its caller could sleep".to_owned(),
        Failure::NoRoom => "atomic, no populated room".to_owned(),
        Failure::Killed => "a fatal signal".to_owned(),
        Failure::Refused => "refused".to_owned(),
    }
}

/// A count or an errno reads as a number, an address in hexadecimal.
fn answer(n: u64) -> String {
    // -MAX_ERRNO of the kernel: what is below 0 by no more is an error.
    const MIN_ERRNO: i64 = -4095;
    match n as i64 {
        errno @ MIN_ERRNO..0 => format!("= {errno}"),
        _ if n < 10_000_000 => format!("= {n}"),
        _ => format!("= {n:#x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use percuss_engine::judge::story::Chunk;

    fn row(label: &str, text: &str) -> Row {
        let area = Some(Place { chunk: "2".to_owned(), base: 0, offset: 64, bytes: Some(8) });
        Row { label: label.to_owned(), op: Some(0), text: text.to_owned(), ended: true, area, ..Row::default() }
    }

    fn plain(text: &str) -> String {
        // Colours begin with ESC and end with m.
        let mut out = String::new();
        for (i, part) in text.split('\u{1b}').enumerate() {
            out += if i == 0 { part } else { part.split_once('m').map_or("", |(_, rest)| rest) };
        }
        out
    }

    #[test]
    fn an_op_and_its_result_share_a_line_when_they_fit() {
        let mut short = row("a1", "v0 = alloc 64 align 8 gfp GFP_KERNEL");
        short.populated = 8;
        let mut long = row("a2", "v1 = alloc 64 align 4096 gfp GFP_KERNEL|__GFP_ACCOUNT|__GFP_NOWARN");
        long.messages = vec!["percpu: said by the tree".to_owned()];
        long.made = vec![Chunk { chunk: "2".to_owned(), base: 0x1000 }];
        assert_eq!(
            plain(&ops(&[short, long], 4, false, 80)),
            "what happened\n\
             a1      v0 = alloc 64                   chunk 2 +64; populates 2 pages x4\n\
             a2      v1 = alloc 64 align 4096 gfp GFP_KERNEL|__GFP_ACCOUNT|__GFP_NOWARN\n                                        \
             chunk 2 +64; makes chunk 2 at 0x1000\n        | percpu: said by the tree\n"
        );
    }

    #[test]
    fn long_lists_are_folded_and_cut() {
        let mut rows: Vec<Row> = (1..=100).map(|i| row(&format!("a{i}"), &format!("v{i} = alloc 8"))).collect();
        let text = plain(&ops(&rows, 4, false, 80));
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.ends_with("99 more alike, to a100: chunk 2 +64\n"), "{text}");
        assert_eq!(ops(&rows, 4, true, 80).lines().count(), 101);
        rows.iter_mut().enumerate().for_each(|(i, r)| r.populated = i as u64);
        let text = plain(&ops(&rows, 4, false, 80));
        assert_eq!(text.lines().count(), LINES + 1);
        assert!(text.contains("(41 lines left out: --ops all shows them)"), "{text}");
    }
}
