// SPDX-License-Identifier: GPL-2.0-only
//! Bad input and a bad environment: exit code 2, one clear message, and nothing done by halves.
//!
//! Exit codes are what `git bisect run` and scripts decide by: 1 means a finding, so no mistake of the user may give
//! it.

mod common;

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use common::{Done, checkout, command, copy, percuss, run, tree, wait};
use tempfile::TempDir;

const PROGRAM: &str = "task a\n  x = alloc 64\n  free x\n";

/// Asserts exit code 2 and nothing on standard output. The message is pinned by a snapshot, with the scratch directory
/// replaced by DIR.
#[track_caller]
fn refused(name: &str, dir: &Path, done: Done) {
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{}", done.err);
    let message = done.err.replace(dir.to_str().unwrap(), "DIR");
    insta::assert_snapshot!(name, message);
}

fn file(dir: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> String {
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn programs_that_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let bad = |name: &str, bytes: &[u8]| {
        let path = file(&dir, name, bytes);
        refused(name, dir.path(), percuss(&["show", &path]));
    };
    bad("malformed-op", b"task a\n  x = aloc 64\n");
    bad("malformed-gfp", b"task a\n  x = alloc 64 gfp GFP_KERNAL\n");
    bad("contract", b"task a\n  irq-off\n  x = alloc 64 gfp GFP_KERNEL\n  irq-on\n");
    bad("impossible-geometry", b"boot cpus=4 unit=12345\ntask a\n");
    bad("too-many-cpus", b"boot cpus=65\ntask a\n");
    bad("empty", b"");
    bad("wrong-version", &[9, 0, 0, 0, 0, 0, 0, 0]);
    bad("incomplete-record", &[percuss::program::VERSION, 0, 0]);
    bad("binary-text", b"task a\n\0\n");
    bad("cut-off-trace", b" init-1 [000] d..2. 54.1: percpu_free_percpu: base_addr=ffd1ffffff800000 off=16\n");
    refused("missing-file", dir.path(), percuss(&["show", dir.path().join("none").to_str().unwrap()]));
    refused("directory", dir.path(), percuss(&["show", dir.path().to_str().unwrap()]));
}

#[test]
fn programs_that_are_huge() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("zeros");
    // A sparse file: it has no blocks on the disk, but reading it whole would take a gigabyte of memory.
    File::create(&path).unwrap().set_len(1 << 30).unwrap();
    refused("a-gigabyte", dir.path(), percuss(&["show", path.to_str().unwrap()]));
    refused("endless", dir.path(), percuss(&["show", "/dev/zero"]));
    let ops = "  free v0\n".repeat(1_000_000);
    let path = file(&dir, "million", format!("task a\n{ops}"));
    let done = percuss(&["show", &path]);
    assert_eq!(done.code, 2);
    assert!(done.err.contains("65536 ops") || done.err.contains("65 536"), "{}", &done.err[..done.err.len().min(800)]);
    assert!(done.err.len() < 4096, "the message does not repeat the program");
}

#[test]
fn usage() {
    let dir = tempfile::tempdir().unwrap();
    for (name, args) in [
        ("unknown-verb", &["chek"][..]),
        ("unknown-flag", &["check", "--program", "5"]),
        ("unknown-config", &["check", "--config", "up"]),
        ("no-jobs", &["check", "--jobs", "0"]),
        ("no-tasks", &["check", "--tasks", "0"]),
        ("bad-time", &["check", "--time", "soon"]),
        ("unknown-oracle", &["check", "--without", "pythia"]),
    ] {
        let mut c = command(args);
        c.current_dir(dir.path());
        refused(name, dir.path(), run(c));
    }
    // Messages that list all trees or edits are not pinned whole: they change whenever one is added.
    let tree = percuss(&["check", "--tree", "6.13"]);
    assert_eq!((tree.code, tree.out.as_str()), (2, ""), "{}", tree.err);
    assert!(tree.err.contains("unknown kernel tree `6.13`: not one of 6.12, "), "{}", tree.err);
    if common::tree().is_some() {
        let edit = percuss(&["check", "--edit", "B99"]);
        assert_eq!((edit.code, edit.out.as_str()), (2, ""), "{}", edit.err);
        assert!(edit.err.contains("unknown edit `B99`\n  help: known edits are B01, "), "{}", edit.err);
    }
    assert_eq!(percuss(&["--help"]).code, 0);
    assert_eq!(percuss(&["--version"]).code, 0);
}

#[test]
fn trees_that_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let work = dir.path().join("linux");
    fs::create_dir_all(work.join("mm")).unwrap();
    fs::write(work.join("Makefile"), "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\n").unwrap();
    refused("no-percpu", dir.path(), percuss(&["tree", "--tree", work.to_str().unwrap()]));
    let none = percuss(&["tree", "--tree", work.join("none").to_str().unwrap()]);
    assert_eq!((none.code, none.out.as_str()), (2, ""), "{}", none.err);
    assert!(none.err.contains("unknown kernel tree") && none.err.contains("and not a directory"), "{}", none.err);

    // Away from the checkout, where percuss would find its unpacked trees.
    let tarballs = dir.path().join("tarballs");
    fs::create_dir(&tarballs).unwrap();
    fs::write(tarballs.join("linux-source-6.12.tar.xz"), b"\xfd7zXZ\0 and no more").unwrap();
    let cache = dir.path().join("cache");
    let with_cache = |cache: &Path| {
        let mut c = command(&["tree"]);
        c.current_dir(dir.path()).env("PERCUSS_TARBALL_DIR", &tarballs).env("PERCUSS_CACHE", cache);
        run(c)
    };
    let done = with_cache(&cache);
    assert_eq!(done.code, 2, "{}", done.err);
    assert!(done.err.contains("linux-source-6.12.tar.xz") && done.err.contains("--reinstall"), "{}", done.err);
    assert!(!cache.join("6.12").exists(), "half a tree was left");
    let blocked = file(&dir, "file", "");
    refused("unwritable-cache", dir.path(), with_cache(&Path::new(&blocked).join("below")));
}

#[test]
fn patches_that_do_not_apply() {
    if tree().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let patch = "--- a/mm/percpu.c\n+++ b/mm/percpu.c\n@@ -1,1 +1,1 @@\n-no such line\n+another\n";
    for (name, text) in [("no-patch", "hello\n"), ("patch-does-not-apply", patch)] {
        let path = file(&dir, name, text);
        let done = percuss(&["tree", "--patch", &path]);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{}", done.err);
        assert!(done.err.contains(name) && done.err.contains("help:"), "{}", done.err);
    }
    let done = percuss(&["tree", "--patch", dir.path().join("none").to_str().unwrap()]);
    assert_eq!(done.code, 2, "{}", done.err);
}

/// A patch of our own words that inserts a line before the first one with `anchor`, and the text that it leads to. The
/// patch is made from the installed tree while the test runs, so that no kernel text stands here.
fn diff_of(before: &str, anchor: &str, line: &str) -> (String, String) {
    let at = before.lines().position(|l| l.contains(anchor)).unwrap();
    let mut lines: Vec<&str> = before.lines().collect();
    lines.insert(at, line);
    let after = lines.join("\n") + "\n";
    let diff = diffy::create_patch(before, &after).to_string();
    (after, diff.replace("--- original", "--- a/mm/percpu.c").replace("+++ modified", "+++ b/mm/percpu.c"))
}

#[test]
fn a_series_patch_by_patch() {
    // The mails come in the wrong order, as a list delivers them. The first patch breaks the build and the second mends
    // it: only a check of each patch sees that, and a bisection of the series would stop there. The worst exit code is
    // that of all.
    let Some(tree) = tree() else { return };
    let dir = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(tree.path("mm/percpu.c")).unwrap();
    let anchor = "static int pcpu_unit_pages";
    let (text, first) = diff_of(&text, anchor, "#error broken on purpose");
    let (_, second) = diff_of(&text, anchor, "#define percuss_unused 1");
    // The second patch also removes the line of the first, so its hunk gets one line less.
    let second = second.replace(" #error broken on purpose", "-#error broken on purpose");
    let second = second.replace(",7 @@", ",6 @@").replace(",8 @@", ",6 @@");
    let mail = |subject: &str, body: &str| {
        format!("From mboxrd@z Thu Jan  1 00:00:00 1970\nSubject: {subject}\nFrom: A <a@example.invalid>\n\n{body}\n")
    };
    let other = "--- a/mm/vmalloc.c\n+++ b/mm/vmalloc.c\n@@ -1 +1 @@\n-x\n+y\n";
    let mbox = mail("[PATCH 2/2] mend", &(second + other)) + &mail("[PATCH 1/2] break", &first);
    let path = file(&dir, "s.mbox", mbox);
    let out = dir.path().join("out");
    let args = ["check", "--patch", &path, "--each", "--programs", "5", "--jobs", "1", "--out", out.to_str().unwrap()];
    let done = percuss(&args);
    assert_eq!(done.code, 125, "{}{}", done.out, done.err);
    let (one, two) = (done.out.find("patch 1 of 2: break").unwrap(), done.out.find("patch 2 of 2: mend").unwrap());
    assert!(one < two && done.err.contains("broken on purpose"), "{}{}", done.out, done.err);
    assert!(done.out[one..two].contains("does not build") && done.out[two..].contains("nothing new"), "{}", done.out);
    assert!(done.out.contains("compiled: mm/percpu.c") && done.out.contains("ignored:  mm/vmalloc.c"), "{}", done.out);

    let done = percuss(&[&args[..], &["--format", "json"]].concat());
    let lines: Vec<serde_json::Value> = done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((done.code, lines.len()), (125, 2), "{}", done.out);
    assert!(lines[0]["error"].as_str().unwrap().contains("broken on purpose"));
    assert_eq!((lines[1]["step"]["title"].as_str(), lines[1]["summary"]["new"].as_u64()), (Some("mend"), Some(0)));
    assert_eq!(lines[1]["patch_files"][1]["ignored"][0], "mm/vmalloc.c");
}

#[test]
fn patches_of_what_is_not_compiled() {
    // Such a patch changes no image. A check of it would find nothing new and be taken for a verdict on the patch.
    let Some(tree) = tree() else { return };
    let dir = tempfile::tempdir().unwrap();
    let first = fs::read_to_string(tree.path("mm/percpu-km.c")).unwrap();
    let first = first.lines().next().unwrap().to_owned();
    for (name, line) in [("mm/percpu-km.c", first.as_str()), ("Documentation/x.rst", "x")] {
        let patch = format!("--- a/{name}\n+++ b/{name}\n@@ -1 +1 @@\n-{line}\n+/* ours */\n");
        let done = percuss(&["tree", "--patch", &file(&dir, "p", patch)]);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{}", done.err);
        assert!(done.err.contains("changes nothing that percuss compiles") && done.err.contains(name), "{}", done.err);
    }
}

#[test]
fn findings_that_cannot_be_written() {
    // The directory is tried before any program runs: a finding after hours that cannot be saved is lost.
    let dir = tempfile::tempdir().unwrap();
    let blocked = file(&dir, "file", "");
    for out in [blocked.clone(), format!("{blocked}/below")] {
        let done = percuss(&["check", "--programs", "1", "--out", &out]);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{}", done.err);
        assert!(done.err.contains("cannot write findings to"), "{}", done.err);
    }
    // Nothing is left but the file that was in the way.
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    // `percuss show FILE | head` closes the pipe early, which is what the user wanted. A full disk is an error.
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "p", PROGRAM);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut c = command(&["show", &path]);
    let child = c.stdout(Stdio::from(writer)).stderr(Stdio::piped()).spawn().unwrap();
    let done = wait(child);
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    let mut c = command(&["show", &path]);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let done = wait(c.stdout(Stdio::from(full)).stderr(Stdio::piped()).spawn().unwrap());
    assert_eq!(done.code, 2, "{}", done.err);
}

#[test]
fn programs_come_from_files_and_standard_input() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "p", PROGRAM);
    let shown = percuss(&["show", &path]);
    assert_eq!(shown.code, 0);
    let mut c = command(&["show", "-"]);
    c.stdin(File::open(&path).unwrap());
    assert_eq!(run(c).out, shown.out);
    let again = file(&dir, "q", &shown.out);
    assert_eq!(percuss(&["show", &again]).out, shown.out);
}

#[test]
fn traces_are_programs() {
    // A trace begins in the middle of a kernel's life. Frees of what was allocated before it cannot be replayed, and
    // the user has to learn that they are left out.
    let trace = checkout().join("corpora/trace/destroy");
    let shown = percuss(&["show", trace.to_str().unwrap()]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    assert!(shown.out.starts_with("boot cpus=4 ") && shown.out.contains("\n  balance\n"), "{}", shown.out);
    assert!(shown.err.contains("frees are left out"), "{}", shown.err);
}

#[test]
fn a_tree_that_does_not_build() {
    // 125 is the code at which `git bisect run` skips a commit; with 1 it would be taken for a bad one.
    let Some(tree) = tree() else { return };
    let dir = tempfile::tempdir().unwrap();
    let broken = dir.path().join("linux");
    copy(&tree.dir, &broken);
    let path = broken.join("mm/percpu.c");
    fs::write(&path, fs::read_to_string(&path).unwrap() + "\n#error broken on purpose\n").unwrap();
    let done = percuss(&["check", "--tree", broken.to_str().unwrap(), "--programs", "1"]);
    assert_eq!((done.code, done.out.as_str()), (125, ""), "{}", done.err);
    assert!(done.err.contains("broken on purpose"), "{}", done.err);
}
