// SPDX-License-Identifier: GPL-2.0-only
//! Foreign code is confined, when it is compiled and when it runs. Each test patches a tree so that it tries something
//! that the sandbox has to refuse.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use common::{Done, command, percuss, run, tree};
use serde_json::Value;

/// What confines images on this system, and what cannot be enforced here, as `percuss tree` reports it.
fn confinement() -> (String, String) {
    let done = percuss(&["tree", "--format", "json"]);
    assert_eq!(done.code, 0, "{}", done.err);
    let value: Value = serde_json::from_str(&done.out).unwrap();
    (value["confinement"]["done"].to_string(), value["confinement"]["missing"].to_string())
}

/// True when the kernel and the container have what the test needs; otherwise the reason for skipping is printed.
/// Containers often forbid Landlock or namespaces.
fn needs(what: &str) -> bool {
    let (done, missing) = confinement();
    if !done.contains(what) {
        eprintln!("skipped: `{what}` is not in force here: {missing}");
    }
    done.contains(what)
}

/// A patch that puts a line of our own in front of the first line of mm/percpu.c that has `anchor`, made while the test
/// runs, so that no kernel text stands here. None without a tree.
fn patch(dir: &Path, anchor: &str, line: &str) -> Option<PathBuf> {
    let before = fs::read_to_string(tree()?.path("mm/percpu.c")).unwrap();
    let at = before.lines().position(|l| l.contains(anchor)).unwrap_or_else(|| panic!("no {anchor}"));
    let mut after: Vec<&str> = before.lines().collect();
    after.insert(at, line);
    let diff = diffy::create_patch(&before, &(after.join("\n") + "\n")).to_string();
    let diff = diff.replace("--- original", "--- a/mm/percpu.c").replace("+++ modified", "+++ b/mm/percpu.c");
    let path = dir.join("evil.patch");
    fs::write(&path, diff).unwrap();
    Some(path)
}

fn check(dir: &Path, patch: &Path, tmp: &Path) -> Done {
    let out = dir.join("findings");
    let mut c = command(&["check", "--programs", "20", "--jobs", "1", "--patch", patch.to_str().unwrap()]);
    c.arg("--out").arg(out).env("TMPDIR", tmp).stdin(Stdio::null());
    run(c)
}

#[test]
fn a_tree_cannot_read_what_is_not_its_own() {
    // The compiler quotes lines of what it includes in its messages, so an #include of any file would print it.
    if tree().is_none() || !needs("Landlock: no files outside of the scratch directory") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret.h");
    fs::write(&secret, "#error the secret is out\n").unwrap();
    for (file, leak) in [(secret.to_str().unwrap(), "the secret is out"), ("/etc/passwd", "root:")] {
        let patch = patch(dir.path(), "static int pcpu_unit_pages", &format!("#include \"{file}\"")).unwrap();
        let done = percuss(&["tree", "--patch", patch.to_str().unwrap()]);
        assert_eq!((done.code, done.out.as_str()), (125, ""), "{}", done.err);
        assert!(done.err.contains("Permission denied") || done.err.contains("file not found"), "{}", done.err);
        assert!(done.err.contains("outside of the tree"), "{}", done.err);
        assert!(!done.err.contains(leak), "{}", done.err);
    }
}

/// An anchor that is a statement of the allocator which every allocation runs, so that the line before it runs in the
/// first program.
const EVERY: &str = "gfp = current_gfp_context(gfp);";

#[test]
fn an_image_cannot_write_files() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("written");
    let line = format!("{{ extern int open(const char *, int, ...); open(\"{}\", 0101, 0666); }}", target.display());
    let Some(patch) = patch(dir.path(), EVERY, &line) else { return };
    let done = check(dir.path(), &patch, dir.path());
    // Whatever is in force here, the file must not be there; what is reported depends on it.
    assert!(!target.exists(), "a file was written: {}", done.out);
    if needs("seccomp: no file is opened for writing") {
        assert_eq!(done.code, 1, "{}{}", done.out, done.err);
        assert!(done.out.contains("the allocator made a system call"), "{}", done.out);
    }
}

#[test]
fn an_image_cannot_use_the_network_or_start_programs() {
    if tree().is_none() || !needs("seccomp: no sockets, programs or processes") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for line in [
        "{ extern int socket(int, int, int); socket(2, 1, 0); }",
        "{ extern int fork(void); fork(); }",
        "{ extern int execv(const char *, char **); char *none[] = { 0 }; execv(\"/bin/true\", none); }",
    ] {
        let patch = patch(dir.path(), EVERY, line).unwrap();
        let done = check(dir.path(), &patch, dir.path());
        assert_eq!(done.code, 1, "{line}: {}{}", done.out, done.err);
        assert!(done.out.contains("the allocator made a system call"), "{line}: {}", done.out);
    }
}

#[test]
fn an_image_cannot_do_anything_while_it_is_loaded() {
    // A constructor runs inside dlopen(), before any call that percuss makes. Confinement has to be in force by then.
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("written");
    let line = format!(
        "__attribute__((constructor)) static void evil(void) {{ extern int creat(const char *, int); creat(\"{}\", 0666); }}",
        target.display()
    );
    // Its own temporary directory: what is beside it is outside.
    let tmp = dir.path().join("tmp");
    fs::create_dir(&tmp).unwrap();
    let Some(patch) = patch(dir.path(), "static int pcpu_unit_pages", &line) else { return };
    if !needs("Landlock: no files outside of the scratch directory") {
        return;
    }
    let done = check(dir.path(), &patch, &tmp);
    assert!(!target.exists(), "a file was written: {}{}", done.out, done.err);
}

#[test]
fn memory_is_limited() {
    // Each allocation is written to, since memory that is only reserved does not count.
    let dir = tempfile::tempdir().unwrap();
    let line = "{ extern void *malloc(unsigned long); for (;;) { char *volatile p = malloc(1 << 24); \
                if (p) __builtin_memset(p, 1, 1 << 24); } }";
    let Some(patch) = patch(dir.path(), EVERY, line) else { return };
    let program = dir.path().join("p.percuss");
    fs::write(&program, "task a\n  x = alloc 64\n  free x\n").unwrap();
    let done = percuss(&["replay", program.to_str().unwrap(), "--patch", patch.to_str().unwrap()]);
    assert_eq!(done.code, 1, "{}{}", done.out, done.err);
    assert!(done.out.contains("does not return") || done.out.contains("GiB of memory"), "{}", done.out);
}

#[test]
fn what_is_not_enforced_is_said() {
    if tree().is_none() {
        return;
    }
    let mut c = command(&["tree"]);
    let done = run({
        c.env("PERCUSS_NO_SANDBOX", "1");
        c
    });
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.out.contains("everything else: switched off by PERCUSS_NO_SANDBOX"), "{}", done.out);
}

#[test]
fn a_compiler_that_is_not_there() {
    if tree().is_none() {
        return;
    }
    let mut c = command(&["tree"]);
    let done = run({
        c.env("PERCUSS_CC", "/nonexistent/clang");
        c
    });
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{}", done.err);
    assert!(done.err.contains("/nonexistent/clang"), "{}", done.err);
}
