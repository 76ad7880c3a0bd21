// SPDX-License-Identifier: GPL-2.0-only
//! Applying patches to a tree of our own words, in the forms in which patches reach a developer: plain diffs, git's,
//! mails, threads of a list, and text that was copied from an archive.

use std::fs;
use std::path::{Path, PathBuf};

use percuss::patch::{Applied, Patch, PatchError, load};
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

fn apply_text(name: &str, text: &str, overlay: &mut Overlay) -> Result<Vec<String>, PatchError> {
    Patch::new(name, text, false).apply(overlay).map(|applied| applied.changed)
}

fn apply_file(path: &Path, lenient: bool, overlay: &mut Overlay) -> Result<(Vec<Applied>, Vec<String>), PatchError> {
    let series = load(&[path.to_owned()], lenient)?;
    let applied = series.patches.iter().map(|patch| patch.apply(overlay)).collect::<Result<_, _>>()?;
    Ok((applied, series.notes))
}

fn bench() -> (TempDir, Overlay) {
    let temp = tempfile::tempdir().unwrap();
    let tree = tree(&temp.path().join("tree"));
    let overlay = Overlay::new(&tree, temp.path().join("overlay")).unwrap();
    (temp, overlay)
}

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
    let (applied, _) = apply_file(&path, false, &mut overlay).unwrap();
    assert_eq!(applied[0].changed, ["mm/percpu.c", "include/linux/percpu.h"]);
    assert_eq!(applied[0].title, "x");
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
        "(@@ -20,3 +20,3 @@, line 8 of the patch)",
        "mm/percpu.c:21: expected `line 21 of another version`, found `line 21`",
    ] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(overlay.read("mm/percpu.c").unwrap(), text());
    assert!(overlay.applied.is_empty());

    let patch = diff("a/mm/percpu.c", "b/mm/percpu.c", 5);
    apply_text("p", &patch, &mut overlay).unwrap();
    let error = apply_text("p", &patch, &mut overlay).unwrap_err().to_string();
    assert!(error.contains("is already applied"), "{error}");

    let beyond = "--- a/mm/percpu.c\n+++ b/mm/percpu.c\n@@ -40,2 +40,1 @@\n line 40\n-line 41\n";
    let error = apply_text("p", beyond, &mut overlay).unwrap_err().to_string();
    assert!(error.contains("expected `line 41`, found the end of the file"), "{error}");
}

#[test]
fn bad_patches() {
    let git = |head: &str| format!("diff --git a/mm/percpu.c b/mm/x.c\n{head}\n");
    let cases = [
        ("hello\n".to_owned(), "not a patch"),
        ("--- a/mm/percpu.c\n+++ b/mm/percpu.c\n@@ -1,9 +1 @@\n line 1\n".to_owned(), "not a patch"),
        (diff("/etc/passwd", "/etc/passwd", 3), "outside the tree: `/etc/passwd`"),
        (diff("a/../../etc/passwd", "b/../../etc/passwd", 3), "outside the tree: `b/../../etc/passwd`"),
        (diff("a/../../mm/percpu.c", "b/mm/percpu.c", 3), "outside the tree: `a/../../mm/percpu.c`"),
        (diff("a/mm/slub.c", "b/mm/slub.c", 3), "changes nothing that percuss compiles, only mm/slub.c"),
        (diff("a/include/linux/none.h", "b/include/linux/none.h", 3), "which the tree does not have"),
        ("--- /dev/null\n+++ b/mm/percpu.c\n@@ -0,0 +1 @@\n+x\n".to_owned(), "already applied"),
        ("--- a/mm/percpu.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-line 1\n".to_owned(), "deletes a file: mm/percpu.c"),
        (git("similarity index 100%\nrename from mm/percpu.c\nrename to mm/x.c"), "renames a file: mm/percpu.c"),
        (
            git("index 1..2 100644\nGIT binary patch\nliteral 4\nabc").replace("x.c", "percpu.c"),
            "changes a binary file",
        ),
        (git("index 1..2 100644\nBinary files a/mm/percpu.c and b/mm/x.c differ").replace("x.c", "percpu.c"), "binary"),
        (diff("a/mm/percpu.c", "b/mm/percpu.c", 3).replace('\n', "\r\n"), "CR LF"),
        (String::new(), "it is empty"),
        ("\n \n".to_owned(), "it is empty"),
        ("From mboxrd@z Thu Jan  1 00:00:00 1970\n".to_owned(), "no message with a diff (0 messages"),
        (mail("[PATCH 0/1] cover", "nothing\n"), "no message with a diff (1 messages"),
        (diff("a/mm/percpu.c", "b/mm/percpu.c", 3) + "\0", "it is binary"),
    ];
    for (patch, message) in cases {
        let (temp, mut overlay) = bench();
        let path = temp.path().join("p");
        fs::write(&path, &patch).unwrap();
        // A refused patch must leave the tree and the overlay alone, or the next command checks half of it.
        let before = everything(temp.path());
        let error = apply_file(&path, false, &mut overlay).unwrap_err().to_string();
        assert!(error.contains(message), "{error}\n--- for\n{patch}");
        assert!(error.contains("help: "), "{error}");
        assert_eq!(everything(temp.path()), before, "nothing is written");
    }
    let (temp, mut overlay) = bench();
    let error = apply_file(&temp.path().join("none"), false, &mut overlay).unwrap_err();
    assert!(matches!(error, PatchError::Read { .. }));
    // A sparse file, which takes no space on the disk.
    let zeros = temp.path().join("zeros");
    fs::File::create(&zeros).unwrap().set_len(100 << 20).unwrap();
    let error = apply_file(&zeros, false, &mut overlay).unwrap_err().to_string();
    assert!(error.contains("larger than 64 MiB"), "{error}");
}

fn everything(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(everything(&path)),
            false => all.push((path.clone(), fs::read(&path).unwrap())),
        }
    }
    all.sort();
    all
}

fn mail(subject: &str, body: &str) -> String {
    format!(
        "From mboxrd@z Thu Jan  1 00:00:00 1970\nReceived: by x\n\twith y; z\nFrom: A <a@example.invalid>\n\
         Subject: {subject}\nMessage-ID: <1@example.invalid>\nMIME-Version: 1.0\n\
         Content-Type: text/plain; charset=\"utf-8\"\nContent-Transfer-Encoding: 8bit\n\n{body}\n-- \n2.39.5\n\n"
    )
}

fn percpu(n: usize) -> String {
    diff("a/mm/percpu.c", "b/mm/percpu.c", n)
}

#[test]
fn a_thread_from_a_list() {
    let (temp, mut overlay) = bench();
    let quoted = percpu(30).lines().map(|l| format!("> {l}\n")).collect::<String>();
    let qp = mail("[PATCH v2\n 1/3] =?utf-8?q?one_caf=C3=A9?=", &percpu(10).replace("LINE 10", "=4CINE 1=\n0"))
        .replace("8bit", "quoted-printable");
    // Base64, with lines that end in CR LF, as some mail servers make of a patch.
    let base64 = "ZGlmZiAtLWdpdCBhL21tL3BlcmNwdS5jIGIvbW0vcGVyY3B1LmMNCi0tLSBhL21tL3BlcmNwdS5jDQorKysgYi9tbS9wZXJj\n\
                  cHUuYw0KQEAgLTIwICsyMCBAQA0KLWxpbmUgMjANCitMSU5FIDIwDQo=\n";
    let base64 = mail("[PATCH v2 2/3] two", base64).replace("8bit", "base64").replace("\n-- \n2.39.5\n", "");
    // Out of order, with replies that quote the patches and an older version, as a list's archive gives a thread.
    let thread = [
        mail("[PATCH v2 0/3] cover", ">From here on\n"),
        mail("Re: [PATCH v2 1/3] one", &quoted),
        mail("Re: [PATCH v2 2/3] two", &percpu(35)),
        mail("[PATCH v2 3/3] three", &(percpu(10).replace("LINE", "Line").replace("-line 10", "-LINE 10"))),
        base64,
        mail("[PATCH 1/1] first version", &percpu(5)),
        qp,
    ];
    let path = temp.path().join("t.mbox");
    fs::write(&path, thread.concat()).unwrap();
    let (applied, notes) = apply_file(&path, false, &mut overlay).unwrap();
    let titles: Vec<&str> = applied.iter().map(|applied| applied.title.as_str()).collect();
    assert_eq!(titles, ["one café", "two", "three"]);
    assert!(applied[1].name.ends_with("t.mbox 2/3: two"), "{applied:?}");
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("v2 is used, v1 is left out"), "{notes:?}");
    let changed = text().replace("line 10\n", "Line 10\n").replace("line 20\n", "LINE 20\n");
    assert_eq!(overlay.read("mm/percpu.c").unwrap(), changed);
}

#[test]
fn files_that_are_not_compiled_are_left_alone() {
    let (temp, mut overlay) = bench();
    let path = temp.path().join("p");
    let others = ["Documentation/x.rst", "mm/vmalloc.c", "include/linux/vmalloc.h"];
    let other = |file: &&str| diff(&format!("a/{file}"), &format!("b/{file}"), 7);
    let created = "--- /dev/null\n+++ b/include/linux/percpu_new.h\n@@ -0,0 +1 @@\n+x\n";
    fs::write(&path, others.iter().map(other).collect::<String>() + &percpu(7) + created).unwrap();
    let (applied, _) = apply_file(&path, false, &mut overlay).unwrap();
    assert_eq!(applied[0].changed, ["mm/percpu.c", "include/linux/percpu_new.h"]);
    assert_eq!(applied[0].ignored, others);
    assert_eq!(overlay.read("include/linux/percpu_new.h").unwrap(), "x\n");
    assert!(!overlay.dir.join("Documentation").exists());
}

/// A tree whose lines have tabs, and a patch of it. Tabs, quotes and angle brackets are what archives and mail programs
/// damage.
fn with_tabs() -> (TempDir, Overlay, String) {
    let (temp, overlay) = bench();
    let tabbed: String = (1..=40).map(|n| format!("\tline(p->a{n} && \"x\");\n")).collect();
    overlay.write("mm/percpu.c", &tabbed).unwrap();
    let patch = "--- a/mm/percpu.c\n+++ b/mm/percpu.c\n@@ -6,3 +6,4 @@\n \tline(p->a6 && \"x\");\n\
        -\tline(p->a7 && \"x\");\n+\tif (p->b && \"y\" < z)\n+\t\tour(p);\n \tline(p->a8 && \"x\");\n";
    (temp, overlay, patch.to_owned())
}

type Damage = Box<dyn Fn(&str) -> String>;

#[test]
fn damaged_patches() {
    let spaces = |text: &str| text.replace('\t', "        ");
    // A terminal expands tabs to columns, and the sign in the first column takes one of the eight.
    let columns = |text: &str| text.replace("\t\t", "               ").replace('\t', "       ");
    let html = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let quote = |text: &str| text.lines().map(|line| format!("> {line}\n")).collect::<String>();
    let bars = |text: &str| text.lines().map(|line| format!("| {line}\n")).collect::<String>();
    let damages: [(&str, Damage); 8] = [
        ("spaces", Box::new(spaces)),
        ("columns", Box::new(columns)),
        ("nbsp", Box::new(move |text: &str| spaces(text).replace("  ", " \u{a0}"))),
        ("html", Box::new(move |text: &str| html(&spaces(text)))),
        ("quoted", Box::new(move |text: &str| format!("Hi,\n{}\nLooks good.\n", quote(text)))),
        ("bars", Box::new(move |text: &str| bars(&spaces(text)))),
        ("twice", Box::new(move |text: &str| quote(&quote(&spaces(text))))),
        ("crlf", Box::new(|text: &str| text.replace('\n', "\r\n"))),
    ];
    let (_temp, mut overlay, patch) = with_tabs();
    apply_text("good", &patch, &mut overlay).unwrap();
    let wanted = overlay.read("mm/percpu.c").unwrap();
    for (name, damage) in damages {
        let (temp, mut overlay, patch) = with_tabs();
        let path = temp.path().join(name);
        fs::write(&path, damage(&patch)).unwrap();
        let error = apply_file(&path, false, &mut overlay).unwrap_err().to_string();
        assert!(error.contains("--patch-lenient"), "{name}: {error}");
        assert!(overlay.applied.is_empty());
        apply_file(&path, true, &mut overlay).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(overlay.read("mm/percpu.c").unwrap(), wanted, "{name}");
    }
}

#[test]
fn lenient_is_not_careless() {
    // Leniency forgives white space and quoting. A line that says something else must still be refused, and without
    // advice to try --patch-lenient.
    let (_temp, mut overlay, patch) = with_tabs();
    let other = patch.replace("a7", "b7");
    let error = Patch::new("p", &other, true).apply(&mut overlay).unwrap_err().to_string();
    assert!(error.contains("expected `line(p->b7 && \"x\");`, found `line(p->a7 && \"x\");`"), "{error}");
    let error = Patch::new("p", &other, false).apply(&mut overlay).unwrap_err().to_string();
    assert!(!error.contains("--patch-lenient"), "{error}");
}

/// A file of our own in which a line is there three times, once in each of two functions and once in none.
fn with_repeats() -> (TempDir, Overlay) {
    let (temp, overlay) = bench();
    let body = "{\n\tfirst();\n\tagain();\n\tlast();\n}\n\n";
    let text = format!("int f(void)\n{body}int g(void)\n{body}struct s {{\n\tint a;\n}};\n");
    overlay.write("mm/percpu.c", &text).unwrap();
    (temp, overlay)
}

fn quoted(header: &str, lines: &str) -> Patch {
    let diff = format!("--- a/mm/percpu.c\n+++ b/mm/percpu.c\n{header}\n{lines}");
    Patch::new("mail", &diff.lines().map(|line| format!(">> {line}\n")).collect::<String>(), true)
}

#[test]
fn a_hunk_that_fits_twice_is_put_where_its_header_says() {
    let hunk = "first();\n-again();\n+once();\nlast();\n";
    // The line is right for g(); then the name is, where the line is wrong; neither is.
    for (header, line) in [("@@ -9,1 +9,1 @@", 11), ("@@ -40,3 +40,3 @@ int f(void)", 4)] {
        let (_temp, mut overlay) = with_repeats();
        quoted(header, hunk).apply(&mut overlay).unwrap();
        let text = overlay.read("mm/percpu.c").unwrap();
        assert_eq!(text.lines().nth(line - 1), Some("\tonce();"), "{header}");
        assert_eq!(text.matches("again").count(), 1);
    }
    let (_temp, mut overlay) = with_repeats();
    let error = quoted("@@ -70,3 +70,3 @@", hunk).apply(&mut overlay).unwrap_err().to_string();
    for part in ["hunk 1 of 1 for mm/percpu.c is ambiguous", "`first();`", "at lines 3, 10", "help: "] {
        assert!(error.contains(part), "{error}");
    }
    assert!(overlay.applied.is_empty());
}

#[test]
fn a_hunk_that_fits_nowhere_says_what_was_looked_for() {
    let (_temp, mut overlay) = with_repeats();
    let both = "first();\n-again();\n+once();\nlast();\n@@ -14,3 +14,3 @@\nstruct s {\n-long a;\n+int b;\n};\n";
    let error = quoted("@@ -3,3 +3,3 @@", both).apply(&mut overlay).unwrap_err().to_string();
    for part in [
        "mail: hunk 2 of 2 for mm/percpu.c does not apply (@@ -14,3 +14,3 @@)",
        "mm/percpu.c:16: expected `long a;`, found `int a;`",
        "begins at line 15: 1 of 3 lines",
    ] {
        assert!(error.contains(part), "{error}");
    }
    let done = "first();\nlast();\n+more();\n}\n";
    overlay.write("mm/percpu.c", "\tfirst();\n\tlast();\n\tmore();\n}\n").unwrap();
    let error = quoted("@@ -1,2 +1,3 @@", done).apply(&mut overlay).unwrap_err().to_string();
    assert!(error.contains("is already applied"), "{error}");
}

#[test]
fn a_mail_between_the_lines_is_no_context() {
    let (_temp, mut overlay) = with_repeats();
    let mail = "Hi all,\n\n--- a/mm/percpu.c\n+++ b/mm/percpu.c\n@@ -8,9 +8,9 @@ int g(void) and more words\nthat were wrapped\n{\n\
        first();\nI wonder whether this is needed.\n-again();\n+once();\nlast();\n\nBest regards, and thanks\nA\n";
    Patch::new("mail", mail, true).apply(&mut overlay).unwrap();
    let text = overlay.read("mm/percpu.c").unwrap();
    assert_eq!(text.lines().nth(10), Some("\tonce();"), "{text}");
}
