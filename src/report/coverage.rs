// SPDX-License-Identifier: GPL-2.0-only
//! Coverage of a patch as text: which of the lines that it changes ran, and what is said in place of a bare "nothing
//! new" when that is less than it sounds like.

use owo_colors::OwoColorize;

use super::layout::{count, plural, wrap};
use percuss_engine::image::{At, Coverage, Off};

/// Columns before the text of the section; names of other sections are as long.
const INDENT: usize = 8;

/// Lines of each list. With the sums, the three lists have at most eight lines: the section is read before the findings,
/// and must not push them off the screen.
const LINES: usize = 2;

/// The section `patch` of a report, at most eight lines; `width` is in columns.
pub fn coverage(c: &Coverage, width: usize) -> String {
    let mut out = wrap(&format!("{}   ", "patch".bold()), INDENT, &sums(c), width);
    if !c.not_run.is_empty() {
        let places = stretches(&c.not_run);
        // A line may have been reached in a process that ended before it could say so.
        let lost = if c.lost > 0 {
            format!(" (what {} that crashed reached is not known)", count(c.lost))
        } else {
            String::new()
        };
        out += &list(&format!("not reached by {}{lost}: ", plural(c.programs, "program")), &places, width);
    }
    if !c.not_compiled.is_empty() {
        out += &list("not compiled here: ", &switched(&c.not_compiled), width);
    }
    if !c.not_called.is_empty() {
        out += &list("not called: ", &c.not_called, width);
    }
    out
}

/// What a verdict without a finding, `plain`, is called: one about a patch that was not compiled, or that nothing
/// called, says so.
pub fn without_finding(c: Option<&Coverage>, plain: &str) -> String {
    match c {
        Some(c) if c.nothing_compiled() => "nothing of this patch is compiled in this configuration".to_owned(),
        Some(c) if !c.not_called.is_empty() => format!("{plain} (not called: {})", shortened(&c.not_called)),
        _ => plain.to_owned(),
    }
}

/// Names that a verdict line shows; the section has more of them.
const NAMES: usize = 4;

fn shortened(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMES);
    let shown = names[..names.len() - more].join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

fn sums(c: &Coverage) -> String {
    if c.changed == 0 {
        return match c.removed {
            0 => "changes no line of code".to_owned(),
            n if c.removed_not_compiled == n => format!("removes {}, not compiled here", plural(n, "line")),
            n => format!("removes {}, adds none", plural(n, "line")),
        };
    }
    let off = c.changed - c.compiled;
    let not_run = c.not_run.len() as u64;
    let parts = [
        (c.ran, "ran"),
        (not_run, "not reached"),
        (off, "not compiled"),
        (c.compiled - c.ran - not_run, "outside of functions"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", count(*n))).collect();
    format!("changed {}: {}", plural(c.changed, "line"), parts.join(", "))
}

/// Items after a title, in a few lines; how many are left out stands at their end.
fn list(title: &str, items: &[String], width: usize) -> String {
    let whole = |n: usize| {
        let more = if n < items.len() { format!(", and {} more", items.len() - n) } else { String::new() };
        wrap("        ", INDENT, &format!("{title}{}{more}", items[..n].join(", ")), width)
    };
    // An item is shown even if it alone is longer.
    (1..=items.len()).rev().map(whole).find(|text| text.lines().count() <= LINES).unwrap_or_else(|| whole(1))
}

/// Lines that follow each other in one function as one: `mm/percpu.c:12-14 in f`.
fn stretches(lines: &[At]) -> Vec<String> {
    // A blank or a brace between two lines was left out, and does not part them.
    let together = |a: &At, b: &At| (&a.file, &a.function) == (&b.file, &b.function) && b.line <= a.line + 2;
    let stretch = |part: &[At]| {
        let function = part[0].function.as_ref().map(|f| format!(" in {f}")).unwrap_or_default();
        format!("{}{function}", range(&part[0].file, part[0].line, part[part.len() - 1].line))
    };
    lines.chunk_by(together).map(stretch).collect()
}

fn range(file: &str, first: u32, last: u32) -> String {
    if first == last { format!("{file}:{first}") } else { format!("{file}:{first}-{last}") }
}

/// What is not compiled, by what switches it on: `CONFIG_NUMA (mm/percpu.c:12-14)`.
fn switched(lines: &[Off]) -> Vec<String> {
    let together = |a: &Off, b: &Off| (&a.file, &a.when) == (&b.file, &b.when);
    let part = |part: &[Off]| match &part[0].when {
        Some(when) => format!("{} under {when}", range(&part[0].file, part[0].line, part[part.len() - 1].line)),
        None => format!("{}, which is not part of an image", part[0].file),
    };
    lines.chunk_by(together).map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u32, function: &str) -> At {
        At { file: "mm/percpu.c".into(), line, function: Some(function.into()) }
    }

    fn off(line: u32, when: Option<&str>) -> Off {
        Off { file: "mm/percpu.c".into(), line, function: None, when: when.map(Into::into) }
    }

    #[test]
    fn everything_is_said_in_eight_lines() {
        let c = Coverage {
            changed: 900,
            compiled: 800,
            ran: 500,
            not_run: (1..200).map(|i| at(i * 9, "pcpu_alloc_area")).collect(),
            not_compiled: (1..100)
                .map(|i| off(i * 5, Some(if i % 2 == 0 { "CONFIG_NUMA" } else { "CONFIG_X" })))
                .collect(),
            not_called: (1..60).map(|i| format!("pcpu_function_{i}")).collect(),
            programs: 20_034,
            lost: 3,
            ..Coverage::default()
        };
        let text = coverage(&c, 80);
        assert!(text.lines().count() <= 8 && text.lines().all(|l| l.len() <= 90), "{text}");
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let sums = "changed 900 lines: 500 ran, 199 not reached, 100 not compiled, 101 outside of functions";
        let first = "20 034 programs (what 3 that crashed reached is not known): mm/percpu.c:9 in pcpu_alloc_area";
        assert!(words.contains(sums) && words.contains(first), "{text}");
        assert_eq!(text.matches(" more\n").count(), 3, "{text}");
    }

    #[test]
    fn lines_that_follow_are_one_place() {
        let lines = [at(10, "f"), at(11, "f"), at(13, "f"), at(14, "g"), at(20, "g")];
        let expected = ["mm/percpu.c:10-13 in f", "mm/percpu.c:14 in g", "mm/percpu.c:20 in g"];
        assert_eq!(stretches(&lines), expected);
        let lines = [off(3, Some("CONFIG_X")), off(9, Some("CONFIG_X")), off(11, None)];
        let expected = ["mm/percpu.c:3-9 under CONFIG_X", "mm/percpu.c, which is not part of an image"];
        assert_eq!(switched(&lines), expected);
    }

    #[test]
    fn nothing_new_is_never_said_of_what_did_not_run() {
        let none = Coverage { changed: 2, not_compiled: vec![off(1, None)], ..Coverage::default() };
        assert!(without_finding(Some(&none), "nothing new").starts_with("nothing of this patch is compiled"));
        let names = ["a", "b", "c", "d", "e", "f"].map(str::to_owned).to_vec();
        let unused = Coverage { changed: 2, compiled: 2, not_called: names, ..Coverage::default() };
        assert_eq!(without_finding(Some(&unused), "no change"), "no change (not called: a, b, c, d and 2 more)");
        assert_eq!(without_finding(None, "no change"), "no change");
        assert_eq!(coverage(&Coverage::default(), 80), "\u{1b}[1mpatch\u{1b}[0m   changes no line of code\n");
    }
}
