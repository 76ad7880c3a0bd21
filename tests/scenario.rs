// SPDX-License-Identifier: GPL-2.0-only
//! The scenario matrix of docs/gfp-review.md: computed anew, equal to what the page shows, and equal to what was argued
//! from the kernel's source before anything was computed.

mod common;

use percuss::experiments::scenario::{COLUMNS, Matrix, ROWS, Row, compute, select};
use percuss::image::ImageSpec;
use percuss::program::Program;
use percuss::report::matrix_markdown;

const DOC: &str = "docs/gfp-review.md";

fn matrix() -> Matrix {
    let program = Some(env!("CARGO_BIN_EXE_percuss").into());
    let spec = ImageSpec { tree: "6.12".into(), program, ..ImageSpec::default() };
    compute(&spec, &select(&[]).unwrap(), 2).unwrap()
}

fn cell<'m>(m: &'m Matrix, row: &str, column: &str) -> &'m str {
    let column = m.columns.iter().position(|c| c == column).unwrap();
    &m.rows.iter().find(|r| r.name == row).unwrap().cells[column].text
}

#[test]
fn the_matrix_is_what_the_documentation_says() {
    if common::tree().is_none() {
        return;
    }
    let m = matrix();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(DOC);
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once("<!-- matrix -->\n").unwrap();
    let (old, tail) = rest.split_once("<!-- end of matrix -->").unwrap();
    let new = matrix_markdown(&m);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{head}<!-- matrix -->\n{new}<!-- end of matrix -->{tail}")).unwrap();
    } else {
        assert_eq!(old, new, "{DOC} is old: run UPDATE_DOCS=1 cargo test");
    }
    established(&m);
}

/// Cells that an argument from the kernel's source supports. UPDATE_DOCS=1 would write any result to the page, so these
/// do not come from the page.
fn established(m: &Matrix) {
    for (row, none) in [
        ("S1", &["pre-9a5b183", "v4", "v4-nofail", "unlocked"][..]),
        ("S2", &["pre-9a5b183", "v4", "v4-nofail", "unlocked"]),
        ("S3a", &["pre-9a5b183", "noio-mask", "noio-mask-nofail", "v4", "v4-nofail", "unlocked"]),
        ("S3b", &["pre-9a5b183", "unlocked"]),
    ] {
        for column in &m.columns {
            let quiet = none.contains(&column.as_str());
            assert_eq!(cell(m, row, column) == "none", quiet, "{row} {column}: {}", cell(m, row, column));
        }
    }
    for variant in COLUMNS {
        let column = variant.unwrap_or("6.12 as is");
        assert_eq!(cell(m, "S4", column) == "0", column != "pre-9a5b183");
        let worker = if column == "pre-9a5b183" { "enters both" } else { "never" };
        assert_eq!(cell(m, "S9", column), worker);
    }
    assert!(cell(m, "S2", "6.12 as is").starts_with("percuss: io_reclaim"));
}

#[test]
fn every_program_keeps_the_contract_or_says_so() {
    for (label, text) in ROWS.iter().flat_map(Row::texts) {
        let program: Program = text.parse().unwrap_or_else(|e| panic!("{label}: {e}"));
        assert!(program.unsafe_caller || program.violations().is_empty(), "{label}");
    }
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/corpora/scenarios")).unwrap().count();
    assert_eq!(files, ROWS.iter().map(|r| r.files.len()).sum::<usize>(), "a file of corpora/scenarios is in no row");
}

#[test]
fn unknown_scenarios_are_refused() {
    let run = common::percuss(&["scenario", "S8"]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("`S8` is no scenario; there are S1, S2"), "{}", run.err);
}

#[test]
fn under_the_mutex_v4_reclaims_nothing() {
    // The claim of v4 is that nothing under pcpu_alloc_mutex enters the reclaim of file systems or devices. The tree as
    // it is does, which shows that the audit can see it.
    if common::tree().is_none() {
        return;
    }
    let audit = |extra: &[&str]| {
        let run = common::percuss(&[&["audit", "--under-mutex", "--programs", "50"], extra].concat());
        assert_eq!(run.code, 0, "{}", run.err);
        run.out
    };
    let v4 = audit(&["--variant", "v4"]);
    assert!(v4.starts_with("not modelled: "), "{v4}");
    let plain = audit(&[]);
    assert!(plain.contains("pcpu_create_chunk, vm areas\n  caller GFP_NOIO: passes GFP_KERNEL, effective GFP_KERNEL; pcpu_alloc_mutex\n"), "{plain}");
}

#[test]
fn a_tree_that_has_the_series_has_a_matrix_too() {
    let dir = tempfile::tempdir().unwrap();
    let Some(tree) = common::merged(dir.path()) else { return };
    let tree = tree.to_str().unwrap();
    let run = common::percuss(&["scenario", "S1", "S3b", "--tree", tree, "--format", "json"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let value: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    let out: Vec<(&str, bool)> = value["left_out"]
        .as_array()
        .unwrap()
        .iter()
        .map(|out| {
            assert!(out["why"].as_str().unwrap().contains("exactly one is needed"), "{out}");
            (out["column"].as_str().unwrap(), out["already"].as_bool().unwrap())
        })
        .collect();
    assert_eq!(out, [("noio-mask", true), ("v4", true)]);
    // The cells of columns that are left out say so; the tree is like v4, and dropping the mutex still tells S3b apart.
    let cells = |row: usize| -> Vec<&str> {
        value["rows"][row]["cells"].as_array().unwrap().iter().map(|cell| cell["text"].as_str().unwrap()).collect()
    };
    let already = "already so here";
    assert_eq!(cells(0), ["none", "none", "none", already, "none", already, "none", "none"]);
    assert_eq!(cells(1)[1..], ["recursive", "recursive", already, "recursive", already, "recursive", "none"]);

    let run = common::percuss(&["scenario", "--tree", tree]);
    assert!(run.out.contains("\nv4                  already so here: "), "{}", run.out);
    // What a user asks for alone is not left out.
    let run = common::percuss(&["check", "--tree", tree, "--variant", "v4", "--programs", "1"]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("pcpu_get_pages() has 0 of `void`"), "{}", run.err);
}
