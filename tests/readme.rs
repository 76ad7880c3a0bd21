// SPDX-License-Identifier: GPL-2.0-only
//! What README.md says is so: commands, flags, exit codes, output and lists.

mod common;

use std::fs;

use common::{checkout, percuss};

fn readme() -> String {
    fs::read_to_string(checkout().join("README.md")).unwrap()
}

/// Blocks of one language, in order, each with its place in the text.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<(usize, &'t str)> {
    let fence = format!("```{language}\n");
    let found = text.match_indices(&fence).map(|(at, _)| at + fence.len());
    found.map(|at| (at, &text[at..at + text[at..].find("```").unwrap()])).collect()
}

/// What stands between the two comments of a generated part.
fn part<'t>(text: &'t str, name: &str) -> &'t str {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    text.split(&begin).nth(1).unwrap().split(&end).next().unwrap()
}

#[test]
fn commands_exist() {
    let text = readme();
    let mut commands = 0;
    for line in blocks(&text, "sh").iter().flat_map(|(_, block)| block.lines()) {
        let words: Vec<&str> = line.trim_start_matches("git bisect run ").split_whitespace().collect();
        commands += 1;
        match words[0] {
            "percuss" => {
                let help = percuss(&[words[1], "--help"]);
                assert_eq!(help.code, 0, "README.md: no such verb: {line}");
                for flag in words.iter().filter(|w| w.starts_with("--")) {
                    let known = help.out.split([' ', '\n', ',']).any(|w| w == *flag);
                    assert!(known, "README.md: `percuss {}` has no {flag}", words[1]);
                }
                for file in words.iter().filter(|w| w.contains('/')) {
                    assert!(checkout().join(file).is_file(), "README.md: {file} is not there");
                }
            }
            script if script.starts_with("scripts/") => {
                assert!(checkout().join(script).is_file(), "README.md: {script} is not there");
            }
            other => panic!("README.md: what is {other}?"),
        }
    }
    assert!(commands >= 10, "{commands}");
}

#[test]
fn exit_codes() {
    let text = readme();
    let rows = part(&text, "exit codes").lines().skip(2);
    let listed: Vec<String> = rows.map(|r| r.trim_matches(['|', ' ']).replacen(" | ", " ", 1)).collect();
    let help = percuss(&["--help"]).out;
    let said = help.split("Exit codes: ").nth(1).unwrap().split('.').next().unwrap().replace('\n', " ");
    assert_eq!(listed.join(", "), said);
}

#[test]
fn output_is_real() {
    let Some(tree) = common::tree() else { return };
    let text = readme();
    let (at, command) = blocks(&text, "sh")[0];
    let words: Vec<&str> = command.split_whitespace().collect();
    let shown = blocks(&text, "text").into_iter().find(|(place, _)| *place > at).unwrap().1;
    let mut run = common::command(&words[1..]);
    run.current_dir(checkout());
    let real = common::run(run).out;
    if !shown.contains(&tree.version) {
        eprintln!("skipped: README.md shows another version than {tree}");
        return;
    }
    assert_eq!(shown, real);
    let program = blocks(&text, "percuss")[0].1;
    let file = fs::read_to_string(checkout().join(words[2])).unwrap();
    assert!(file.ends_with(program), "the program in README.md is the file's");
}

/// `PERCUSS_BLESS=1` puts the list there.
#[test]
fn not_modelled_is_the_shims_list() {
    let text = readme();
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
        fs::write(checkout().join("README.md"), new).unwrap();
        return;
    }
    assert_eq!(there, list, "run this test with PERCUSS_BLESS=1");
}
