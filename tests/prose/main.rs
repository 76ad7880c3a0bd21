// SPDX-License-Identifier: GPL-2.0-only
//! CONTRIBUTING.md's rules of writing, as far as a test can see them.
//!
//! Whether a sentence is understood is for a reader to say. What can be seen are sentences that readers did not
//! understand, words that the project has replaced, and how long comments are. `scripts/prose` counts, this fails.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Phrases that a reading found hard to understand, and what says the same. They are compared in lower case and over
/// the ends of lines, because a phrase wraps wherever the margin is.
const PHRASES: &[(&str, &str)] = &[
    (
        "who found no memory lets another",
        "After a failed allocation, yield the World to another runnable task before retrying.",
    ),
    (
        "does nothing everywhere, on a machine of its own",
        "Runs an empty program on every tenant, so that cleaning up after the last one is not counted for the next.",
    ),
    ("with its schedule said by op", "Rewrites the schedule in whole-op turns; None if the finding disappears."),
    ("who cannot be told will not miss it", "Ignore write errors: the reader is gone."),
    (
        "has the next boot give memory back already",
        "Forces the next boot to release memory at half the usual threshold; say why.",
    ),
    (
        "a turn of a task that cannot run is the first task's that can",
        "If the named task cannot run, the first runnable task runs instead, or kswapd if there is none.",
    ),
    ("said what it was not asked", "unexpected reply from worker"),
    ("/// no image.", "The image could not be built."),
    ("fruitless", "the kernel's name, MAX_RECLAIM_RETRIES"),
    ("to be had", "available"),
    ("let the world go", "yield the World"),
    ("lets the world go", "yields the World"),
    ("whoever", "the task, the thread or the caller"),
    ("somebody", "a task, a thread or a caller"),
    ("nobody", "no task, no thread or no caller"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Sources, scripts and pages that people write. This folder is left out, because it holds the phrases themselves.
fn texts() -> Vec<PathBuf> {
    let parts =
        ["crates", "src", "shim", "tests", "benches", "examples", "fuzz", "scripts", "docs", "coverage", "bugs"];
    let mut found: Vec<PathBuf> = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|f| root().join(f)).to_vec();
    for part in parts {
        walk(&root().join(part), &mut found);
    }
    found.retain(|f| f.exists() && !f.starts_with(root().join("tests/prose")));
    found
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    let generated = ["target", "snapshots", "artifacts", "corpus"];
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.map(|e| e.unwrap().path()) {
        let ending = entry.extension().and_then(|e| e.to_str()).unwrap_or("");
        if entry.is_dir() {
            if !generated.iter().any(|g| entry.ends_with(g)) {
                walk(&entry, found);
            }
        } else if ["rs", "c", "h", "md", "sh", "toml", ""].contains(&ending) {
            found.push(entry);
        }
    }
}

/// The text in lower case on one line, comment signs at the beginning of continued lines left out, with the place in it
/// where each line begins.
fn joined(text: &str) -> (String, Vec<usize>) {
    let (mut whole, mut begins) = (String::new(), Vec::new());
    let mut before = "";
    for line in text.lines() {
        let line = line.trim();
        let sign = ["///", "//!", "//", "#", "*"].into_iter().find(|sign| line.starts_with(sign)).unwrap_or("");
        begins.push(whole.len());
        // The first line of a comment keeps its sign, so that a phrase can say where it begins.
        let line = if sign == before { line[sign.len()..].trim_start() } else { line };
        before = sign;
        whole += &line.to_lowercase();
        whole.push(' ');
    }
    (whole, begins)
}

#[test]
fn phrases_that_readers_did_not_understand() {
    let mut complaints = Vec::new();
    let files = texts();
    assert!(files.len() > 300, "{} files were read", files.len());
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let (whole, begins) = joined(&text);
        for (phrase, better) in PHRASES {
            for (at, _) in whole.match_indices(phrase) {
                let line = begins.partition_point(|begin| *begin <= at);
                let name = file.strip_prefix(root()).unwrap().display();
                complaints.push(format!("{name}:{line}: \"{phrase}\"; better: {better}"));
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}\n{} in all", complaints.join("\n"), complaints.len());
}

/// Compares the last row of `scripts/prose` with the goals of CONTRIBUTING.md. The row has the shares in per cent of
/// doc blocks of one line, of those of three words or fewer, and of lines of `//`.
#[test]
#[ignore = "comments are being rewritten"]
fn comments_say_enough() {
    let run = Command::new(root().join("scripts/prose")).output().unwrap();
    let table = String::from_utf8(run.stdout).unwrap();
    let total = table.lines().last().unwrap();
    let shares: Vec<f64> = total.split_whitespace().filter_map(|w| w.strip_suffix('%')?.parse().ok()).collect();
    let [one_line, short, why] = shares[..] else { panic!("{total}") };
    assert!(one_line < 60.0, "{one_line} % of the doc blocks are one line: see scripts/prose --list\n{table}");
    assert!(short < 3.0, "{short} % of the doc blocks have three words or fewer: see scripts/prose --list\n{table}");
    assert!(why >= 4.0, "{why} % of the lines are comments that say why\n{table}");
}
