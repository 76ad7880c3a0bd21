// SPDX-License-Identifier: GPL-2.0-only
//! The two pages of documentation say what the tables say.
//!
//! `UPDATE_DOCS=1 cargo test` writes the tables into them.

use std::path::Path;

use super::super::axes::AXES;
use super::super::contract::RULES;
use super::super::{Program, TABLE};
use percuss_kernel::event::Site;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::text::print_size;

/// Compares what stands between two markers of a page with what should, or writes it.
fn check(page: &str, name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
    let text = std::fs::read_to_string(&path).expect("the page is there");
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->\n"));
    let start = text.find(&begin).expect("the marker is there") + begin.len();
    let stop = text.find(&end).expect("the end marker is there");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let new = [&text[..start], expected, &text[stop..]].concat();
        if new != text {
            std::fs::write(&path, new).expect("the page can be written");
        }
        return;
    }
    assert_eq!(&text[start..stop], expected, "docs/{page} is old: run UPDATE_DOCS=1 cargo test");
}

/// Cells of a Markdown table keep their bars.
fn cell(text: &str) -> String {
    text.trim().replace('|', "\\|")
}

#[test]
fn programs_page() {
    let mut ops = String::from("| op | what it does |\n|---|---|\n");
    for op in TABLE {
        ops += &format!("| `{}` | {} |\n", cell(&op.syntax()), cell(op.doc));
    }
    check("programs.md", "ops", &ops);

    let mut gfp = String::from("| name | mask |\n|---|---|\n");
    for (name, mask) in Gfp::NAMES {
        gfp += &format!("| `{name}` | {:#x} |\n", mask.0);
    }
    check("programs.md", "gfp", &gfp);

    let sites: Vec<String> = Site::ALL.iter().map(|s| format!("`{}`", s.1)).collect();
    check("programs.md", "sites", &format!("{}\n", sites.join(", ")));

    let mut axes = String::from("| axis | values with their least share |\n|---|---|\n");
    for axis in AXES {
        let values: Vec<String> = axis.values.iter().map(|(v, n)| format!("{v} {}.{} %", n / 10, n % 10)).collect();
        axes += &format!("| {} | {} |\n", axis.name, values.join(", "));
    }
    check("programs.md", "axes", &axes);
}

#[test]
fn examples_are_programs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/programs.md");
    let text = std::fs::read_to_string(path).expect("the page is there");
    let examples: Vec<&str> = text.split("```percuss\n").skip(1).filter_map(|e| e.split("```").next()).collect();
    assert!(examples.len() >= 2);
    for example in examples {
        let program: Program = example.parse().unwrap_or_else(|e| panic!("{e}\n{example}"));
        assert_eq!(program.to_string().parse().as_ref(), Ok(&program));
    }
    assert_eq!(print_size(20 << 10), "20K");
}

#[test]
fn contract_page() {
    let mut rules = String::from(
        "| rule | a caller's duty | where the kernel says so | how percuss keeps it |\n|---|---|---|---|\n",
    );
    for (i, rule) in RULES.iter().enumerate() {
        assert_eq!(usize::from(rule.number), i + 1, "numbers are for ever");
        let cells = [rule.text, rule.source, rule.kept].map(cell);
        rules += &format!("| {} | {} | {} | {} |\n", rule.number, cells[0], cells[1], cells[2]);
    }
    check("caller-contract.md", "rules", &rules);
}
