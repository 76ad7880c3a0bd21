// SPDX-License-Identifier: GPL-2.0-only
//! Diffs as mails quote them and web pages show them, of a real percpu.c: whatever was done to a diff on its way, it
//! makes the same file or is refused.
//!
//! The diffs are made from the tree at test time: lines of its percpu.c are taken out, and lines of our own put in.

use std::fmt::Write;
use std::fs;

use percuss_source::patch::{PatchError, parse};
use percuss_source::tree::{Tree, find_checkout};
use proptest::prelude::*;
use proptest::sample::Index;

const FILE: &str = "mm/percpu.c";

/// The text of percpu.c in 6.12. None without the tree.
fn percpu() -> Option<String> {
    let tree = Tree::resolve("6.12", &find_checkout()?).inspect_err(|error| eprintln!("skipped: {error}")).ok()?;
    fs::read_to_string(tree.path(FILE)).ok()
}

#[derive(Debug, Clone)]
enum Change {
    Delete,
    Replace,
    /// As many lines after it.
    Insert(usize),
}

/// `text` with changes at some of its lines that are not empty. Lines put in are as deep as the line they come after.
fn edited(text: &str, changes: &[(Index, Change)]) -> String {
    let mut lines: Vec<String> = text.lines().map(|line| format!("{line}\n")).collect();
    let solid: Vec<usize> = (0..lines.len()).filter(|&i| !lines[i].trim().is_empty()).collect();
    // Ours are statements after statements. Where a line is one blank deeper than any of its kind would be, as in the
    // middle of a comment, nothing can decide between that and a marker that was lost.
    let lead = |line: &str| line[..line.len() - line.trim_start().len()].to_owned();
    let statement = |line: &&usize| lines[**line].ends_with(";\n") && !lead(&lines[**line]).contains(' ');
    let statements: Vec<usize> = solid.iter().filter(statement).copied().collect();
    for (number, (index, change)) in changes.iter().enumerate() {
        let at = match change {
            Change::Delete => solid[index.index(solid.len())],
            _ => statements[index.index(statements.len())],
        };
        let old = text.lines().nth(at).unwrap();
        let lead = lead(old);
        let ours = |n: usize| format!("{lead}percuss_{number}(p->a[{n}] && \"<x>\");\n");
        lines[at] = match change {
            Change::Delete => String::new(),
            Change::Replace => ours(0),
            Change::Insert(count) => format!("{old}\n") + &(0..*count).map(ours).collect::<String>(),
        };
    }
    lines.concat()
}

/// A diff with git's headers, the functions' names in those of hunks included.
fn diff(old: &str, new: &str) -> String {
    let mut out = format!("diff --git a/{FILE} b/{FILE}\nindex 1..2 100644\n--- a/{FILE}\n+++ b/{FILE}\n");
    for line in diffy::create_patch(old, new).to_string().lines().skip(2) {
        // diffy leaves the blank of empty context lines out.
        out += if line.is_empty() { " " } else { line };
        if let Some(start) = line.strip_prefix("@@ -").and_then(|rest| rest.split([',', ' ']).next()) {
            let start: usize = start.parse().unwrap();
            let above = old.lines().take(start.saturating_sub(1)).collect::<Vec<_>>();
            let function = above.iter().rev().find(|line| line.starts_with(|c: char| c.is_ascii_alphabetic()));
            // git cuts after 80 bytes.
            write!(out, " {}", function.map_or("", |line| &line[..line.len().min(80)])).unwrap();
        }
        out.push('\n');
    }
    out
}

/// What happens to a diff on its way.
#[derive(Debug, Clone)]
struct Damage {
    quote: &'static str,
    /// The blank in front of context lines is lost.
    bare: bool,
    empty: Empty,
    tabs: Tabs,
    html: bool,
    /// Both counts of each header are changed by this, where the result is a number.
    counts: isize,
    /// An answer before, after and, where there is quoting, between the lines.
    answers: bool,
    crlf: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Empty {
    Kept,
    /// The blank is lost, the line is there.
    Emptied,
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Tabs {
    Kept,
    Eight,
    /// As a terminal shows them: the marker takes the first column.
    Columns,
    /// All but one blank are lost at the beginning of lines, as in some archives.
    Flat,
}

fn damage() -> impl Strategy<Value = Damage> {
    let quotes = ["", "> ", ">> ", "> > ", ">", ">>", ">>> ", "| "];
    let tabs = [Tabs::Kept, Tabs::Kept, Tabs::Eight, Tabs::Columns, Tabs::Flat];
    let empty = [Empty::Kept, Empty::Emptied, Empty::Lost];
    let parts = (prop::sample::select(quotes.to_vec()), any::<bool>(), prop::sample::select(empty.to_vec()));
    let more = (prop::sample::select(tabs.to_vec()), any::<bool>(), -2_isize..3, any::<bool>(), any::<bool>());
    (parts, more).prop_map(|((quote, bare, empty), (tabs, html, counts, answers, crlf))| Damage {
        quote,
        bare: bare || tabs == Tabs::Flat,
        empty,
        tabs,
        html,
        counts,
        answers,
        crlf,
    })
}

impl Damage {
    fn line(&self, line: &str) -> Option<String> {
        if let Some(rest) = line.strip_prefix("@@ -") {
            return Some(self.header(rest));
        }
        let head = ["diff ", "index ", "--- a", "+++ b"].iter().any(|begin| line.starts_with(begin));
        if head {
            return Some(line.to_owned());
        }
        let (sign, code) = line.split_at(1);
        if code.trim().is_empty() && sign == " " {
            return match self.empty {
                Empty::Kept => Some(line.to_owned()),
                Empty::Emptied => Some(String::new()),
                Empty::Lost => None,
            };
        }
        let code = match self.tabs {
            Tabs::Kept => code.to_owned(),
            Tabs::Eight => code.replace('\t', "        "),
            Tabs::Columns => columns(code),
            Tabs::Flat if sign == " " => code.trim_start().to_owned(),
            Tabs::Flat => format!("{}{}", if code.starts_with('\t') { " " } else { "" }, code.trim_start()),
        };
        Some(if self.bare && sign == " " { code } else { format!("{sign}{code}") })
    }

    fn header(&self, rest: &str) -> String {
        let (ranges, function) = rest.split_once(" @@").unwrap();
        let range = |range: &str| {
            let (start, count) = range.split_once(',').unwrap_or((range, "1"));
            let count: usize = count.parse().unwrap();
            format!("{start},{}", count.checked_add_signed(self.counts).unwrap_or(count))
        };
        let (old, new) = ranges.split_once(" +").unwrap();
        format!("@@ -{} +{} @@{function}", range(old), range(new))
    }

    fn of(&self, diff: &str) -> String {
        let mut out = String::new();
        if self.answers {
            out += "Hello,\n\nthis is what I think of it.\n\n";
        }
        for (number, line) in diff.lines().filter_map(|line| self.line(line)).enumerate() {
            // Some programs leave no blank at the end of a line.
            let line = format!("{}{line}", self.quote);
            out += if line.trim_end() == self.quote.trim_end() { line.trim_end() } else { &line };
            out.push('\n');
            if self.answers && !self.quote.is_empty() && number % 7 == 6 {
                out += "\nWhy? I do not see it.\n";
            }
        }
        if self.answers {
            out += "\nPlease send it again, and say why.\nThanks\n-- \nA\n";
        }
        if self.html {
            out = out.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
        }
        if self.crlf { out.replace('\n', "\r\n") } else { out }
    }

    /// What of a file is still known after the damage: the rest cannot be the same, and is no code.
    fn left(&self, text: &str, sure: bool) -> String {
        let kept = |line: &&str| sure || self.empty != Empty::Lost || !line.trim().is_empty();
        let line = |line: &str| match self.tabs {
            Tabs::Flat => line.trim_start().to_owned() + "\n",
            _ => format!("{line}\n"),
        };
        text.lines().filter(kept).map(line).collect()
    }
}

/// Tabs in columns that a sign before the line moves by one.
fn columns(code: &str) -> String {
    let mut out = String::new();
    for c in code.chars() {
        match c {
            '\t' => (0..8 - (out.chars().count() + 1) % 8).for_each(|_| out.push(' ')),
            c => out.push(c),
        }
    }
    out
}

fn changes() -> impl Strategy<Value = Vec<(Index, Change)>> {
    let change =
        prop_oneof![Just(Change::Delete), Just(Change::Replace), Just(Change::Insert(1)), Just(Change::Insert(3))];
    prop::collection::vec((any::<Index>(), change), 1..5)
}

fn lenient(mail: &str, text: &str) -> Result<String, PatchError> {
    let patch = &parse("mail", mail.as_bytes(), true)?.patches[0];
    patch.on_text(text).map(|mut texts| texts.remove(0))
}

#[test]
fn any_damage_leaves_the_change_as_it_was() {
    let Some(old) = percpu() else { return };
    let config = ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let (applied, refused) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let strategy = (changes(), damage(), prop_oneof![Just(0), 1_usize..40]);
    let result = runner.run(&strategy, |(changes, damage, moved)| {
        let new = edited(&old, &changes);
        let mail = damage.of(&diff(&old, &new));
        // The tree is not quite the one that the patch was made for: its lines have moved.
        // One change, and a header that is right, say even which of the lost empty lines were before it.
        let sure = changes.len() == 1 && moved == 0 && damage.counts == 0;
        let above = "/* ours */\n".repeat(moved);
        match lenient(&mail, &(above.clone() + &old)) {
            Ok(made) => {
                applied.set(applied.get() + 1);
                let (made, wanted) = (damage.left(&made, sure), damage.left(&(above + &new), sure));
                prop_assert!(made == wanted, "{mail}\nwanted, then made:\n{}", diffy::create_patch(&wanted, &made));
            }
            // A place that could be another one is no place; it must be seldom.
            Err(PatchError::Ambiguous { .. }) => refused.set(refused.get() + 1),
            Err(error) => prop_assert!(false, "{}\n{}", error, mail),
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    assert!(20 * refused.get() < applied.get(), "{} refused, {} applied", refused.get(), applied.get());
}
