// SPDX-License-Identifier: GPL-2.0-only
//! Applying patches to a tree of our own words.

use std::fs;
use std::path::Path;

use percuss::patch::{PatchError, apply_file, apply_text};
use percuss::tree::{Overlay, Tree, manifest};
use tempfile::TempDir;

fn text() -> String {
    (1..=40).map(|n| format!("line {n}\n")).collect()
}

fn tree(dir: &Path) -> Tree {
    for file in manifest().required.iter().chain(&manifest().allocator) {
        fs::create_dir_all(dir.join(file).parent().unwrap()).unwrap();
        let version = "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\n";
        fs::write(dir.join(file), if file == "Makefile" { version.to_owned() } else { text() }).unwrap();
    }
    Tree::resolve(dir.to_str().unwrap(), dir).unwrap()
}

fn bench() -> (TempDir, Overlay) {
    let temp = tempfile::tempdir().unwrap();
    let tree = tree(&temp.path().join("tree"));
    let overlay = Overlay::new(&tree, temp.path().join("overlay")).unwrap();
    (temp, overlay)
}

/// A diff of one file with one hunk that replaces line `n`.
fn diff(old: &str, new: &str, n: usize) -> String {
    format!(
        "--- {old}\n+++ {new}\n@@ -{},3 +{},3 @@\n line {}\n-line {n}\n+LINE {n}\n line {}\n",
        n - 1,
        n - 1,
        n - 1,
        n + 1
    )
}

#[test]
fn plain_diffs_and_format_patch() {
    for (old, new) in
        [("a/mm/percpu.c", "b/mm/percpu.c"), ("mm/percpu.c", "mm/percpu.c"), ("l.orig/mm/percpu.c", "l/mm/percpu.c")]
    {
        let (_temp, mut overlay) = bench();
        assert_eq!(apply_text("p", &diff(old, new, 7), &mut overlay).unwrap(), ["mm/percpu.c"]);
        assert_eq!(overlay.read("mm/percpu.c").unwrap(), text().replace("line 7\n", "LINE 7\n"));
        assert_eq!(overlay.applied, ["p"]);
    }
    let mail = |body: &str| {
        format!(
            "From 1234 Mon Sep 17 00:00:00 2001\nFrom: A <a@example.invalid>\nSubject: [PATCH] x\n\nWhy.\n---\n mm/percpu.c | 2 +-\n\n{body}-- \n2.39.5\n\n"
        )
    };
    let part = |file: &str, n| {
        format!(
            "diff --git a/{file} b/{file}\nindex 1..2 100644\n{}",
            diff(&format!("a/{file}"), &format!("b/{file}"), n)
        )
    };
    let (temp, mut overlay) = bench();
    let path = temp.path().join("0001-x.patch");
    fs::write(&path, mail(&(part("mm/percpu.c", 9) + &part("include/linux/percpu.h", 20)))).unwrap();
    assert_eq!(apply_file(&path, &mut overlay).unwrap(), ["mm/percpu.c", "include/linux/percpu.h"]);
    assert!(overlay.dir.join("include/linux/percpu.h").is_file());
    // The next patch sees what the first did, and lines may have moved.
    let moved = "--- a/mm/percpu.c\n+++ b/mm/percpu.c\n@@ -30,3 +30,2 @@\n line 8\n-LINE 9\n line 10\n";
    apply_text("q", moved, &mut overlay).unwrap();
    assert_eq!(overlay.read("mm/percpu.c").unwrap(), text().replace("line 9\n", ""));
}

#[test]
fn a_hunk_that_does_not_fit_is_named_and_nothing_is_changed() {
    let (_temp, mut overlay) = bench();
    let second = "@@ -20,3 +20,3 @@\n line 20\n-line 21 of another version\n+x\n line 22\n";
    let patch = diff("a/mm/percpu.c", "b/mm/percpu.c", 5) + second;
    let error = apply_text("p", &patch, &mut overlay).unwrap_err().to_string();
    for part in [
        "p: hunk 2 of 2 for mm/percpu.c",
        "(@@ -20,3 +20,3 @@)",
        "mm/percpu.c:21: expected `line 21 of another version`, found `line 21`",
    ] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(overlay.read("mm/percpu.c").unwrap(), text());
    assert!(overlay.applied.is_empty());

    let patch = diff("a/mm/percpu.c", "b/mm/percpu.c", 5);
    apply_text("p", &patch, &mut overlay).unwrap();
    let error = apply_text("p", &patch, &mut overlay).unwrap_err().to_string();
    assert!(error.contains("have this change already"), "{error}");

    let beyond = "--- a/mm/percpu.c\n+++ b/mm/percpu.c\n@@ -40,2 +40,1 @@\n line 40\n-line 41\n";
    let error = apply_text("p", beyond, &mut overlay).unwrap_err().to_string();
    assert!(error.contains("expected `line 41`, found the end of the file"), "{error}");
}

#[test]
fn bad_patches() {
    let git = |head: &str| format!("diff --git a/mm/percpu.c b/mm/x.c\n{head}\n");
    let cases = [
        (String::new(), "not a patch"),
        ("hello\n".to_owned(), "not a patch"),
        ("--- a/mm/percpu.c\n+++ b/mm/percpu.c\n@@ -1,9 +1 @@\n line 1\n".to_owned(), "not a patch"),
        (diff("/etc/passwd", "/etc/passwd", 3), "outside the tree: `/etc/passwd`"),
        (diff("a/../../mm/percpu.c", "b/mm/percpu.c", 3), "outside the tree: `a/../../mm/percpu.c`"),
        (diff("a/mm/slub.c", "b/mm/slub.c", 3), "changes mm/slub.c, which the tree does not have"),
        ("--- /dev/null\n+++ b/mm/new.c\n@@ -0,0 +1 @@\n+x\n".to_owned(), "creates a file: mm/new.c"),
        ("--- a/mm/percpu.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-line 1\n".to_owned(), "deletes a file: mm/percpu.c"),
        (git("similarity index 100%\nrename from mm/percpu.c\nrename to mm/x.c"), "renames a file"),
        (git("index 1..2 100644\nBinary files a/mm/percpu.c and b/mm/x.c differ").replace("x.c", "percpu.c"), "binary"),
    ];
    for (patch, message) in cases {
        let (_temp, mut overlay) = bench();
        let error = apply_text("p", &patch, &mut overlay).unwrap_err().to_string();
        assert!(error.contains(message), "{error}\n--- for\n{patch}");
        assert!(error.contains("help: "), "{error}");
    }
    let (temp, mut overlay) = bench();
    let error = apply_file(&temp.path().join("none"), &mut overlay).unwrap_err();
    assert!(matches!(error, PatchError::Read { .. }));
}
