// SPDX-License-Identifier: GPL-2.0-only
//! The documents are true: commands, flags, exit codes, output, links, lists and the files they name.
//!
//! A reader tries the commands of the README first. Whatever a test can compare with the program is compared here, so
//! that a page cannot grow old without a failure.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{checkout, percuss};

const REPORTS: &str = "docs/reports.md";

fn read(page: &str) -> String {
    fs::read_to_string(checkout().join(page)).unwrap()
}

fn pages() -> Vec<String> {
    let names = |dir: PathBuf| fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut pages: Vec<String> = names(checkout()).filter(|n| n.ends_with(".md")).collect();
    pages.extend(names(checkout().join("docs")).map(|n| format!("docs/{n}")));
    pages.sort();
    pages
}

/// The fenced blocks of one language in order, each with its position in the text, so that a command can be matched
/// with the output that stands after it.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<(usize, &'t str)> {
    let fence = format!("```{language}\n");
    let found = text.match_indices(&fence).map(|(at, _)| at + fence.len());
    found.map(|at| (at, &text[at..at + text[at..].find("```").unwrap()])).collect()
}

/// The text between the two comments that enclose a generated or compared part of a page.
fn part<'t>(text: &'t str, name: &str) -> &'t str {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    text.split(&begin).nth(1).unwrap().split(&end).next().unwrap()
}

/// The words of the command in the first shell block that contains this text, and the next block of output after it.
fn shown<'t>(text: &'t str, command: &str) -> (Vec<&'t str>, &'t str) {
    let (at, line) = blocks(text, "sh").into_iter().find(|(_, block)| block.contains(command)).unwrap();
    let output = blocks(text, "text").into_iter().find(|(place, _)| *place > at).unwrap().1;
    (line.split_whitespace().collect(), output)
}

#[test]
fn the_readme_is_short_and_in_order() {
    let text = read("README.md");
    let lines = text.lines().count();
    assert!(lines <= 150, "README.md has {lines} lines of at most 150: move what is not for a first visit to docs/");
    let sections: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("## ")).collect();
    let order = [
        "What it found",
        "Quick start",
        "Check your patch",
        "Bisect",
        "How it works",
        "What it does not see",
        "Documents",
        "Contributing",
        "Licence",
    ];
    assert_eq!(sections, order);
    for page in pages().iter().filter_map(|page| page.strip_prefix("docs/")) {
        assert!(text.contains(&format!("(docs/{page})")), "README.md does not lead to docs/{page}");
    }
}

fn command_is_wrong(line: &str) -> Option<String> {
    let line = line.trim_start_matches("git bisect run ");
    let words: Vec<&str> = line.split_whitespace().skip_while(|w| w.starts_with("PERCUSS_")).collect();
    let exists = |file: &str| checkout().join(file).is_file();
    match words[0] {
        "percuss" => {
            let help = percuss(&[words[1], "--help"]);
            if help.code != 0 {
                return Some(format!("no such verb: {line}"));
            }
            for flag in words.iter().filter(|w| w.starts_with("--")) {
                if !help.out.split([' ', '\n', ',']).any(|w| w == *flag) {
                    return Some(format!("`percuss {}` has no {flag}", words[1]));
                }
            }
            let mut files = words.iter().filter(|w| w.contains('/') && !w.starts_with("/tmp/"));
            files.find(|file| !exists(file)).map(|file| format!("{file} is not there"))
        }
        "cargo" => {
            for pair in words.windows(2) {
                let there = match pair[0] {
                    "--test" => {
                        exists(&format!("tests/{}.rs", pair[1])) || exists(&format!("tests/{}/main.rs", pair[1]))
                    }
                    "--bench" => exists(&format!("benches/{}.rs", pair[1])),
                    "-p" => exists(&format!("crates/{}/Cargo.toml", pair[1].trim_start_matches("percuss-"))),
                    _ => true,
                };
                if !there {
                    return Some(format!("{} is not there", pair.join(" ")));
                }
            }
            None
        }
        script if script.starts_with("scripts/") || script.starts_with(".ci/") => {
            (!exists(script)).then(|| format!("{script} is not there"))
        }
        "echo" | "cat" => None,
        other => Some(format!("what is {other}?")),
    }
}

#[test]
fn commands_exist() {
    let mut commands = 0;
    for page in pages() {
        let text = read(&page);
        for line in blocks(&text, "sh").iter().flat_map(|(_, block)| block.lines()) {
            commands += 1;
            let wrong = command_is_wrong(line);
            assert!(wrong.is_none(), "{page}: {}", wrong.unwrap_or_default());
        }
    }
    // Pages whose blocks are no longer found would pass without being read.
    assert!(commands >= 50, "{commands}");
}

/// The list of exit codes in a help text, a page or the comment of a script, on one line.
fn exit_codes(text: &str) -> String {
    let said = text.split("Exit codes").nth(1).and_then(|rest| rest.split_once(": ")).unwrap().1;
    said.split('.').next().unwrap().replace("\n# ", " ").replace('\n', " ")
}

#[test]
fn exit_codes_are_those_of_the_program() {
    let help = exit_codes(&percuss(&["--help"]).out);
    let text = read("README.md");
    let rows = part(&text, "exit codes").lines().skip(2);
    let listed: Vec<String> = rows.map(|r| r.trim_matches(['|', ' ']).replacen(" | ", " ", 1)).collect();
    assert_eq!(listed.join(", "), help);
    assert_eq!(exit_codes(&read("scripts/run")), help);
    // A session has no tree that could fail to build: its image is linked in.
    let of_sessions = exit_codes(&read("scripts/fuzz-all"));
    assert!(of_sessions.len() > 50 && help.starts_with(&of_sessions), "{of_sessions}");
    assert_eq!(exit_codes(&read("docs/detection.md")), exit_codes(&percuss(&["bugs", "--help"]).out));
}

/// The default tree, but only in the version whose output the pages show: line numbers and hashes of another differ.
fn shown_tree() -> Option<percuss::tree::Tree> {
    let tree = common::tree()?;
    if !read(REPORTS).contains(&tree.version) {
        eprintln!("skipped: {REPORTS} shows another version than {tree}");
        return None;
    }
    Some(tree)
}

#[test]
fn the_known_finding_is_real() {
    let text = read(REPORTS);
    let (words, output) = shown(&text, "percuss replay corpora/");
    let (readme, file) = (read("README.md"), read(words[2]));
    assert!(readme.contains(words[2]), "README.md names another program than {REPORTS}");
    assert!(file.ends_with(blocks(&readme, "percuss")[0].1), "the program in README.md is the file's");
    if shown_tree().is_none() {
        return;
    }
    let mut run = common::command(&words[1..]);
    run.current_dir(checkout());
    assert_eq!(output, common::run(run).out);
}

#[test]
fn the_new_finding_is_real() {
    if shown_tree().is_none() {
        return;
    }
    let [readme, page] = [read("README.md"), read(REPORTS)];
    let (words, output) = shown(&readme, "--edit");
    let (same, index) = shown(&page, "--edit");
    assert_eq!(words, same, "{REPORTS} explains the report of the README's command");
    let scratch = tempfile::tempdir().unwrap();
    let mut run = common::command(&words[1..]);
    run.current_dir(scratch.path());
    let real = common::run(run);
    assert_eq!(real.code, 1, "{}", real.err);
    // Parts of the output, since the times in the rest differ from run to run.
    for (place, output) in [("README.md", output), (REPORTS, index)] {
        assert!(real.out.contains(output), "{place} shows\n{output}\nbut the command prints\n{}", real.out);
    }
}

fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|t| !t.contains("://") && !t.starts_with('#')).map(|t| t.split('#').next().unwrap()).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut seen = 0;
    for page in pages() {
        let folder = checkout().join(&page).parent().unwrap().to_owned();
        for link in links(&read(&page)) {
            seen += 1;
            assert!(folder.join(link).exists(), "{page} links to {link}, which is not there");
        }
    }
    assert!(seen >= 50, "{seen}");
}

/// Paths in backquotes that begin in a folder of the repository. A name in capitals stands for any, and a pattern for
/// many, so neither is a file.
fn named_files(text: &str) -> Vec<&str> {
    let parts = ["crates/", "shim/", "src/", "tests/", "docs/", "corpora/", "bugs/", "scripts/", "fuzz/", "coverage/"];
    let quoted = text.split('`').skip(1).step_by(2).map(|q| q.split([' ', ':']).next().unwrap());
    let fixed = |q: &&str| !q.contains(['*', '…', '{', '\n']) && !q.contains("NAME") && !q.contains("TARGET");
    quoted.filter(|q| parts.iter().any(|p| q.starts_with(p))).filter(fixed).collect()
}

/// Paths that the pages name but that exist only after fuzzing or a campaign has written them.
const WRITTEN: [&str; 2] = ["fuzz/artifacts/", "fuzz/findings"];

#[test]
fn named_files_exist() {
    for (page, least) in pages().iter().map(|page| (page, if page == "docs/architecture.md" { 40 } else { 0 })) {
        let text = read(page);
        // Backquotes of code blocks would put the others out of step.
        let prose: String = text.split("```").step_by(2).collect();
        let named = named_files(&prose);
        assert!(named.len() >= least, "{page} names {} files", named.len());
        for file in named.iter().filter(|f| !WRITTEN.iter().any(|w| f.starts_with(w))) {
            assert!(Path::new(&checkout()).join(file).exists(), "{page} names {file}, which is not there");
        }
    }
}

#[test]
fn not_modelled_is_the_shims_list() {
    // `PERCUSS_BLESS=1` writes the list to the page. It is wrapped at the width of the other lines, so that a change
    // shows as a small diff.
    let page = "docs/limits.md";
    let text = read(page);
    let mut list = String::new();
    let mut width = 0;
    for (i, name) in percuss_shim::compile::not_modelled().into_iter().enumerate() {
        if i > 0 {
            list.push(',');
            let wraps = width + name.len() + 4 > 116;
            list.push(if wraps { '\n' } else { ' ' });
            width = if wraps { 0 } else { width + 2 };
        }
        list += &format!("`{name}`");
        width += name.len() + 2;
    }
    list.push('\n');
    let there = part(&text, "not modelled");
    if std::env::var_os("PERCUSS_BLESS").is_some() && there != list {
        let begin = "<!-- not modelled -->\n";
        let at = text.find(begin).unwrap() + begin.len();
        let new = format!("{}{list}{}", &text[..at], &text[at + there.len()..]);
        fs::write(checkout().join(page), new).unwrap();
        return;
    }
    assert_eq!(there, list, "run this test with PERCUSS_BLESS=1");
}
