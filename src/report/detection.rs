// SPDX-License-Identifier: GPL-2.0-only
//! The detection benchmark, which is the output of `percuss bugs`: known bugs are put into a tree, and the report says
//! which oracle found each and how soon. It has a form for people, one for machines and one for docs/detection.md.

use std::fmt::Write;

use owo_colors::OwoColorize;
use serde_json::{Value, json};

use super::layout::{count, wrap};
use percuss_engine::experiments::detection::{Bench, Outcome, Row, Searched};
use percuss_oracle::OracleKind;

/// From this width on, in characters, the table has room for the titles of bugs.
const WIDE: usize = 110;
const FIXED: usize = 20 + 1 + 10 + 1 + 8 + 1 + 7 + 1 + 9 + 2;
const BY: usize = 24;

/// One line for a bug that has just been searched for. It goes to a log where no progress bar can be drawn, since a
/// benchmark may run for an hour before the table is printed.
pub fn detection_line(row: &Row) -> String {
    match &row.outcome {
        Outcome::Searched(s) if s.found() => {
            format!("{}: found after {} programs by {}", row.bug.name, programs(s), by(&s.oracles()))
        }
        Outcome::Searched(_) => format!("{}: not found", row.bug.name),
        other => format!("{}: {}", row.bug.name, unsearched(other)),
    }
}

/// The table for people: a row for each bug, the bugs that are not counted and why, a legend, and the verdict. The
/// last column compares with the kernel's own checkers, as the benchmark asks what percuss adds to them.
pub fn detection(bench: &Bench, width: usize) -> String {
    let mut out = String::new();
    let head = format!(
        "{:<20} {:<10} {:>8} {:>7} {:>9}  {:<BY$} kernel's",
        "bug", "class", "programs", "seconds", "small", "by"
    );
    let _ = writeln!(out, "{}", if width < WIDE { short_head().bold().to_string() } else { head.bold().to_string() });
    for row in &bench.rows {
        out += &line(row, width);
    }
    if !bench.apart.is_empty() {
        let _ = writeln!(out, "\n{}", "not counted".bold());
    }
    for apart in &bench.apart {
        out += &wrap(&format!("{:<6} {:<10} ", apart.name, apart.kind), 18, apart.why, width);
    }
    out.push('\n');
    out += &wrap("", 0, &legend(bench), width);
    let s = bench.summary();
    // Anything below all of them is red: a seeded bug that no search finds is a gap in the oracles or the generator.
    let verdict = format!("{} of {} found", s.found, s.counted);
    let verdict =
        if s.found == s.counted { verdict.green().bold().to_string() } else { verdict.red().bold().to_string() };
    let _ = write!(out, "{verdict}; the kernel's own checkers could see {}", s.kernel);
    if s.not_built > 0 {
        let _ = write!(out, "; {} not built", s.not_built);
    }
    out.push('\n');
    out
}

fn short_head() -> String {
    format!("{:<20} {:<10} {:>8} {:>7} {:>9}  by; kernel's", "bug", "class", "programs", "seconds", "small")
}

fn legend(bench: &Bench) -> String {
    format!(
        "{}, {} of {} s at most, {:.0} s in all. programs, seconds: to the first program that shows it, the median. small: ops \
         of that program, made small, its tasks, and the preemptions of its schedule. by: oracles that object to it. kernel's: which of KASAN, lockdep, KCSAN and \
         pcpu_alloc_test could see it; with `?`, by luck.",
        bench.tree,
        // `plural` only appends an `s`, which is wrong for this word.
        super::layout::plural(bench.seeds, "search").replace("searchs", "searches"),
        bench.limit.as_secs(),
        bench.seconds
    )
}

fn line(row: &Row, width: usize) -> String {
    let (name, class) = (&row.bug.name, row.bug.class.name());
    let s = match &row.outcome {
        Outcome::Searched(s) => s,
        other => {
            // Without a search there are no numbers: the reason takes the place of all columns.
            return wrap(&format!("{name:<20} {class:<10} "), 32, &unsearched(other), width);
        }
    };
    let seconds = s.seconds().map_or("-".to_owned(), |s| format!("{s:.1}"));
    let small = small(s);
    let numbers = format!("{name:<20} {class:<10} {:>8} {seconds:>7} {small:>9}  ", programs(s));
    let kernel = row.bug.kernel.as_ref().map_or("?".to_owned(), |k| k.words());
    if width < WIDE {
        // A narrow table has one column for both, and no title.
        return wrap(&numbers, FIXED, &format!("{}; {kernel}", found_by(s)), width);
    }
    let by = found_by(s);
    let first = format!("{numbers}{:<BY$} ", by);
    // Oracles beyond the column push the rest to the right.
    wrap(&first, FIXED + BY.max(by.chars().count()) + 1, &format!("{kernel} -- {}", row.bug.title), width)
}

/// Why a bug was not searched for.
fn unsearched(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Searched(_) => String::new(),
        Outcome::NotBuilt(why) => format!("not built: {why}"),
        Outcome::OtherTree(why) => format!("does not apply here: {why}"),
        Outcome::AlreadySo => "already so here: the tree has it, and `check` knows it".to_owned(),
    }
}

fn programs(s: &Searched) -> String {
    s.programs().map_or("-".to_owned(), count)
}

fn small(s: &Searched) -> String {
    s.small.map_or("-".to_owned(), |s| format!("{}/{}/{}", s.ops, s.tasks, s.preemptions))
}

fn by(oracles: &[OracleKind]) -> String {
    oracles.iter().map(|o| o.name()).collect::<Vec<_>>().join(", ")
}

/// The oracles that object, and in how many of the searches if not in all.
fn found_by(s: &Searched) -> String {
    let oracles = if s.count() == 0 { "not found".to_owned() } else { by(&s.oracles()) };
    // The share is worth a word only where luck decides.
    if s.count() == 0 || s.count() == s.hits.len() {
        return oracles;
    }
    format!("{oracles} ({} of {})", s.count(), s.hits.len())
}

/// The result as one object on one line, with schema `percuss-bugs-1`; docs/json.md describes it. Every search is in
/// it, also those that found nothing, which are null.
pub fn detection_json(bench: &Bench) -> String {
    let s = bench.summary();
    let apart =
        |a: &percuss_engine::experiments::detection::Apart| json!({"name": a.name, "kind": a.kind, "why": a.why});
    json!({
        "schema": "percuss-bugs-1",
        "tree": bench.tree,
        "seeds": bench.seeds,
        "limit": bench.limit.as_secs(),
        "seconds": bench.seconds,
        "bugs": bench.rows.iter().map(row).collect::<Vec<_>>(),
        "not_counted": bench.apart.iter().map(apart).collect::<Vec<_>>(),
        "summary": s,
    })
    .to_string()
}

fn row(row: &Row) -> Value {
    let s = row.searched();
    let searches = s.map_or(&[][..], |s| &s.hits).iter().map(|hit| match hit {
        Some(h) => json!({
            "programs": h.programs,
            "seconds": h.after.as_secs_f64(),
            "oracles": h.oracles,
            "titles": h.titles,
            "program": percuss_program::Program::decode(&h.program).to_string(),
        }),
        // Null rather than left out: there is one entry for each seed, in order.
        None => Value::Null,
    });
    json!({
        "name": row.bug.name,
        "class": row.bug.class,
        "title": row.bug.title,
        "base": row.bug.base,
        "expected": row.bug.oracles,
        "upstream": row.bug.upstream,
        "kernel": row.bug.kernel,
        "counted": s.is_some(),
        "not_built": match &row.outcome { Outcome::NotBuilt(why) => Some(why), _ => None },
        "does_not_apply": match &row.outcome { Outcome::OtherTree(why) => Some(why), _ => None },
        "already_so": matches!(row.outcome, Outcome::AlreadySo),
        "found": s.is_some_and(Searched::found),
        "programs": s.and_then(Searched::programs),
        "seconds": s.and_then(Searched::seconds),
        "oracles": s.map(Searched::oracles),
        "ops": s.and_then(|s| s.small).map(|s| s.ops),
        "tasks": s.and_then(|s| s.small).map(|s| s.tasks),
        "preemptions": s.and_then(|s| s.small).map(|s| s.preemptions),
        "searches": searches.collect::<Vec<_>>(),
    })
}

/// The result as the Markdown tables of docs/detection.md. Bugs that were not searched for have no row here, as the
/// page holds results only.
pub fn detection_markdown(bench: &Bench) -> String {
    let mut out = String::from(
        "| bug | class | what is wrong | found by | programs | seconds | ops/tasks/preemptions | the kernel's own |\n|---|---|---|---|---|---|---|---|\n",
    );
    for row in &bench.rows {
        let Some(s) = row.searched() else { continue };
        let seconds = s.seconds().map_or("-".to_owned(), |s| format!("{s:.1}"));
        let small = small(s);
        let kernel = row.bug.kernel.as_ref().map_or("?".to_owned(), |k| format!("{}: {}", k.words(), k.why));
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {seconds} | {small} | {} |",
            row.bug.name,
            row.bug.class.name(),
            // Two underscores, as in `__GFP`, would begin bold text.
            row.bug.title.replace("__", "\\_\\_"),
            found_by(s),
            programs(s),
            kernel.replace("__", "\\_\\_"),
        );
    }
    out += "\n| not counted | kind | why |\n|---|---|---|\n";
    for a in &bench.apart {
        let _ = writeln!(out, "| {} | {} | {} |", a.name, a.kind, a.why.replace("__", "\\_\\_"));
    }
    let s = bench.summary();
    let _ = writeln!(out, "\n{} of {} found; the kernel's own checkers could see {}.", s.found, s.counted, s.kernel);
    out
}
