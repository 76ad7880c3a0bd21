// SPDX-License-Identifier: GPL-2.0-only
//! Finding, unpacking and naming kernel trees, on small tarballs made here and on Debian's where they are installed.
//!
//! The small tarballs have our own words in the places of kernel files, so that the tests run without a kernel and can
//! break them in every way.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, thread};

use percuss::tree::{Origin, Overlay, Resolver, Tree, TreeError, find_checkout, manifest};
use tempfile::TempDir;

/// A scratch directory with the tarball of a tree named 6.12 and an empty cache. A [`Resolver`] of it never sees the
/// trees of the machine.
struct Bench {
    temp: TempDir,
}

impl Bench {
    fn new() -> Bench {
        let bench = Bench { temp: tempfile::tempdir().unwrap() };
        fs::create_dir(bench.tarballs()).unwrap();
        bench.pack("6.12", 117);
        bench
    }

    fn tarballs(&self) -> PathBuf {
        self.temp.path().join("tarballs")
    }

    fn resolver(&self) -> Resolver {
        let mut resolver = Resolver::new(self.tarballs(), self.temp.path().join("cache"));
        resolver.notice = |_| ();
        resolver
    }

    /// Packs a tree with every file that vendor/manifest.toml wants unpacked, and net/core/dev.c, which it does not
    /// want. The sublevel tells packages of one name apart, as an upgrade does.
    fn pack(&self, name: &str, sublevel: u32) -> PathBuf {
        let work = self.temp.path().join("work");
        let top = work.join(format!("linux-source-{name}"));
        kernel(&top, &format!("VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = {sublevel}\nEXTRAVERSION =\n"));
        for pattern in &manifest().unpack {
            let path = top.join(pattern);
            if !path.exists() && path.extension().is_some() {
                put(&path, pattern);
            } else if !path.exists() && !pattern.contains('*') {
                put(&path.join("some.h"), pattern);
            }
        }
        put(&top.join("net/core/dev.c"), "not wanted");
        let tarball = self.tarballs().join(format!("linux-source-{name}.tar.xz"));
        let made =
            Command::new("tar").arg("-C").arg(&work).arg("-cJf").arg(&tarball).arg(top.file_name().unwrap()).status();
        assert!(made.unwrap().success());
        fs::remove_dir_all(work).unwrap();
        tarball
    }
}

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Writes the least that passes for a kernel tree: a Makefile with a version, one header, and the allocator's files.
fn kernel(top: &Path, makefile: &str) {
    put(&top.join("Makefile"), makefile);
    put(&top.join("include/linux/percpu.h"), "/* ours */\n");
    for file in &manifest().allocator {
        put(&top.join(file), &format!("/* our {file} */\n"));
    }
}

#[test]
fn unpacks_once_and_only_what_is_listed() {
    let bench = Bench::new();
    let tree = bench.resolver().resolve("6.12").unwrap();
    assert_eq!((tree.name.as_str(), tree.version.as_str()), ("6.12", "6.12.117"));
    assert_eq!(tree.origin, Origin::Package { package: "linux-source-6.12".into(), version: None });
    assert_eq!(tree.files.len(), manifest().allocator.len());
    assert!(tree.known.is_none(), "these are not the kernel's files");
    assert!(tree.path("mm/vmalloc.c").is_file() && tree.path("include/uapi/some.h").is_file());
    assert!(!tree.path("net").exists());

    // A file of our own in it survives a second look, so nothing was unpacked again.
    put(&tree.path("witness"), "");
    bench.resolver().resolve("6.12").unwrap();
    assert!(tree.path("witness").is_file());
}

#[test]
fn unpacks_again_when_the_package_or_the_tree_changed() {
    let bench = Bench::new();
    let tree = bench.resolver().resolve("6.12").unwrap();
    // The cache holds what was shipped. A developer who edits a file in it would otherwise check the edit without
    // knowing.
    put(&tree.path("mm/percpu.c"), "changed by hand");
    let again = bench.resolver().resolve("6.12").unwrap();
    assert_eq!(again.files, tree.files);

    bench.pack("6.12", 200);
    assert_eq!(bench.resolver().resolve("6.12").unwrap().version, "6.12.200");

    // With the tarball gone, what was unpacked still serves.
    fs::remove_file(bench.tarballs().join("linux-source-6.12.tar.xz")).unwrap();
    assert_eq!(bench.resolver().resolve("6.12").unwrap().version, "6.12.200");
}

#[test]
fn many_at_once_unpack_once() {
    // Several commands may want the same tree at the same moment: one unpacks it, and the others wait and use the
    // result.
    static UNPACKED: AtomicUsize = AtomicUsize::new(0);
    let bench = Arc::new(Bench::new());
    let threads: Vec<_> = (0..6)
        .map(|_| {
            let bench = Arc::clone(&bench);
            thread::spawn(move || {
                let mut resolver = bench.resolver();
                resolver.notice = |_| {
                    let _ = UNPACKED.fetch_add(1, Ordering::SeqCst);
                };
                resolver.resolve("6.12").unwrap().files
            })
        })
        .collect();
    let found: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(found.iter().all(|files| *files == found[0]));
    assert_eq!(UNPACKED.load(Ordering::SeqCst), 1);
}

#[test]
fn clears_away_what_a_killed_run_left() {
    // A tree is unpacked beside its place and renamed when complete. A killed run leaves the folder, which nothing else
    // would ever remove.
    let bench = Bench::new();
    put(&bench.resolver().cache.join(".6.12.unpacking-abc/tree/x"), "");
    bench.resolver().resolve("6.12").unwrap();
    assert!(!bench.resolver().cache.join(".6.12.unpacking-abc").exists());
}

#[test]
fn verify_finds_a_changed_a_missing_and_an_added_file() {
    // resolve() looks at the allocator's files only, which is quick; verify() looks at every file that was unpacked.
    let bench = Bench::new();
    let resolver = bench.resolver();
    let tree = resolver.verify("6.12").unwrap();
    let differs = |expected: &str| match resolver.verify("6.12") {
        Err(TreeError::Differs { file, .. }) => assert_eq!(file, expected),
        other => panic!("{other:?}"),
    };
    let header = tree.path("include/uapi/some.h");
    put(&header, "changed");
    differs("include/uapi/some.h");
    fs::remove_file(&header).unwrap();
    differs("include/uapi/some.h");
    put(&header, "include/uapi");
    put(&tree.path("added"), "");
    // A header that was added can shadow one of the tree's: a list of hashes alone would not notice.
    differs("added");
}

#[test]
fn an_unknown_name_lists_the_known_ones_and_the_command() {
    let error = Bench::new().resolver().resolve("6.13").unwrap_err().to_string();
    for part in ["`6.13`", "6.12, 6.1", "apt-get install linux-source-6.12 linux-source-6.1", "--tree DIR"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_tarball_that_is_not_installed() {
    let error = Bench::new().resolver().resolve("6.1").unwrap_err();
    assert!(matches!(error, TreeError::NoTarball { .. }), "{error}");
    assert!(error.to_string().contains("apt-get install linux-source-6.1`"), "{error}");
}

#[test]
fn directories() {
    let bench = Bench::new();
    let (resolver, dir) = (bench.resolver(), bench.temp.path().join("src/linux"));
    kernel(&dir, "VERSION = 7\nPATCHLEVEL = 2\nSUBLEVEL = 0\nEXTRAVERSION = -rc1\n");
    let spec = dir.to_str().unwrap();
    let tree = resolver.resolve(spec).unwrap();
    assert_eq!((tree.version.as_str(), &tree.origin), ("7.2.0-rc1", &Origin::Directory));
    assert_eq!(tree.to_string(), format!("{spec} (Linux 7.2.0-rc1, directory)"));

    // One level off, either way, is named in the error.
    for near in [dir.parent().unwrap().to_owned(), dir.join("mm")] {
        let error = resolver.resolve(near.to_str().unwrap()).unwrap_err().to_string();
        assert!(error.contains(&format!("seems to be in {spec}")), "{error}");
    }
    put(&dir.join("Makefile"), "all:\n");
    assert!(matches!(resolver.resolve(spec), Err(TreeError::NoVersion { .. })));
    fs::remove_file(dir.join("mm/percpu.c")).unwrap();
    let error = resolver.resolve(spec).unwrap_err().to_string();
    assert!(error.contains("has no mm/percpu.c") && error.contains("headers package"), "{error}");
}

#[test]
fn a_git_checkout_tells_its_commit() {
    let bench = Bench::new();
    let dir = bench.temp.path().join("linux");
    kernel(&dir, "VERSION = 6\nPATCHLEVEL = 19\nSUBLEVEL = 0\n");
    let git = |args: &[&str]| {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"];
        Command::new("git").arg("-C").arg(&dir).args(identity).args(args).output().is_ok_and(|out| out.status.success())
    };
    // Git is no prerequisite of percuss; without it a checkout is a directory without a commit.
    if !(git(&["init", "-q"]) && git(&["add", "."]) && git(&["commit", "-qm", "x"]) && git(&["tag", "v6.19"])) {
        eprintln!("skipped: no git");
        return;
    }
    let spec = dir.to_str().unwrap();
    let origin = bench.resolver().resolve(spec).unwrap().origin;
    assert!(
        matches!(&origin, Origin::Git { commit, describe } if commit.len() == 12 && describe == "v6.19"),
        "{origin:?}"
    );
    put(&dir.join("mm/percpu.c"), "/* changed */");
    assert_eq!(bench.resolver().resolve(spec).unwrap().origin.to_string(), "git v6.19-dirty");
}

#[test]
fn damaged_tarballs() {
    let bench = Bench::new();
    let tarball = bench.tarballs().join("linux-source-6.12.tar.xz");
    let whole = fs::read(&tarball).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 0x55;
    let work = bench.temp.path().join("w");
    put(&work.join("linux-source-6.12/README"), "no kernel");
    let other = bench.temp.path().join("other.tar.xz");
    assert!(Command::new("tar").arg("-C").arg(&work).arg("-cJf").arg(&other).arg(".").status().unwrap().success());
    let foreign = fs::read(other).unwrap();
    // Cut off, a flipped byte, another format, nothing, and an archive that is sound but has no kernel in it.
    for bytes in [&whole[..whole.len() / 2], &flipped, b"not xz at all", b"", &foreign] {
        fs::write(&tarball, bytes).unwrap();
        let error = bench.resolver().resolve("6.12").unwrap_err();
        assert!(matches!(error, TreeError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains("apt-get install --reinstall linux-source-6.12"), "{error}");
        assert!(!bench.resolver().cache.join("6.12").exists(), "half a tree was left");
    }
    fs::write(&tarball, whole).unwrap();
    bench.resolver().resolve("6.12").unwrap();
}

#[test]
fn a_cache_that_cannot_be_written() {
    let bench = Bench::new();
    // A file where a folder has to be fails for root as well, who may write to any folder.
    put(&bench.temp.path().join("file"), "");
    let mut resolver = bench.resolver();
    resolver.cache = bench.temp.path().join("file/below");
    let error = resolver.resolve("6.12").unwrap_err();
    assert!(matches!(error, TreeError::Cache { .. }), "{error}");
    assert!(error.to_string().contains("PERCUSS_CACHE"), "{error}");
}

#[test]
fn missing_programs() {
    // percuss calls xz and tar. A message of the shell about a missing file would not say which package has it.
    let bench = Bench::new();
    for (xz, tar, package) in [("/nonexistent/xz", "tar", "xz-utils"), ("xz", "/nonexistent/tar", "install tar")] {
        let error = bench.resolver().with_tools(xz, tar).resolve("6.12").unwrap_err();
        assert!(matches!(error, TreeError::NoTool { .. }) && error.to_string().contains(package), "{error}");
    }
}

#[test]
fn an_overlay_never_touches_the_tree() {
    let bench = Bench::new();
    let tree = bench.resolver().resolve("6.12").unwrap();
    let overlay = Overlay::new(&tree, bench.temp.path().join("overlay")).unwrap();
    assert!(overlay.dir.join("mm/percpu-vm.c").is_file() && !overlay.dir.join("include").exists());
    overlay.write("include/linux/percpu.h", "new").unwrap();
    assert_eq!(overlay.read("include/linux/percpu.h").unwrap(), "new");
    assert_eq!(fs::read_to_string(tree.path("include/linux/percpu.h")).unwrap(), "/* ours */\n");
    assert!(overlay.has("mm/vmalloc.c") && !overlay.has("mm/slub.c"));
    assert!(matches!(overlay.read("mm/slub.c"), Err(TreeError::Read { .. })));
}

#[test]
fn debian_trees_are_unpacked_unmodified() {
    // Findings are reported against these trees, so what the cache holds has to be what Debian ships. Where the
    // manifest lists the version, its hashes must be those of the manifest.
    let root = find_checkout().expect("tests run in the checkout");
    let resolver = Resolver::from_env(&root).unwrap();
    for entry in &manifest().trees {
        let tree = match resolver.verify(&entry.name) {
            Err(TreeError::NoTarball { package, .. }) => {
                eprintln!("skipped: {package} is not installed");
                continue;
            }
            found => found.unwrap(),
        };
        assert!(tree.version.starts_with(&format!("{}.", entry.name)), "{tree}");
        let listed = entry.known.iter().any(|known| known.version == tree.version);
        assert_eq!(tree.known.is_some(), listed, "{tree}: hashes and version disagree with vendor/manifest.toml");
        assert_eq!(Tree::resolve(tree.dir.to_str().unwrap(), &root).unwrap().files, tree.files);
    }
}

/// Makes a checkout with three commits, `none` without a kernel, then `old` and `new` with one, and a change on top
/// that is not committed. False without git.
fn checkout(dir: &Path) -> bool {
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.arg("-C").arg(dir).args(["-c", "user.name=A", "-c", "user.email=a@example.invalid"]).args(args);
        git.output().is_ok_and(|out| out.status.success())
    };
    fs::create_dir_all(dir).unwrap();
    if !git(&["init", "-q"]) {
        return false;
    }
    let commit = |name: &str| git(&["add", "-A"]) && git(&["commit", "-q", "-m", name]) && git(&["tag", name]);
    put(&dir.join("README"), "no kernel");
    let mut done = commit("none");
    for (name, sublevel) in [("old", 1), ("new", 2)] {
        kernel(dir, &format!("VERSION = 6\nPATCHLEVEL = 9\nSUBLEVEL = {sublevel}\n"));
        put(&dir.join("mm/percpu.c"), name);
        put(&dir.join("net/core/dev.c"), "not wanted");
        done &= commit(name);
    }
    put(&dir.join("mm/percpu.c"), "not committed");
    done
}

#[test]
fn revisions_of_a_checkout() {
    let bench = Bench::new();
    let dir = bench.temp.path().join("linux");
    if !checkout(&dir) {
        eprintln!("skipped: there is no git");
        return;
    }
    let spec = dir.to_str().unwrap();
    let resolver = bench.resolver();
    for (rev, sublevel, text) in [("old", 1, "old"), ("new", 2, "new"), ("HEAD~1", 1, "old")] {
        let tree = resolver.revision(spec, rev).unwrap();
        assert_eq!(
            (tree.version.as_str(), tree.name.as_str()),
            (&*format!("6.9.{sublevel}"), &*format!("{spec} at {rev}"))
        );
        assert_eq!(fs::read_to_string(tree.path("mm/percpu.c")).unwrap(), text);
        assert!(!tree.path("net").exists() && !tree.dir.starts_with(&dir));
        assert!(matches!(&tree.origin, Origin::Git { describe, .. } if describe == text), "{}", tree.origin);
        // A second look takes nothing out again, but for what was changed by hand.
        put(&tree.path("witness"), "");
        assert!(resolver.revision(spec, rev).unwrap().path("witness").is_file());
        put(&tree.path("mm/percpu.c"), "changed by hand");
        assert_eq!(resolver.revision(spec, rev).unwrap().files, tree.files);
    }
    assert_eq!(fs::read_to_string(dir.join("mm/percpu.c")).unwrap(), "not committed");

    let refused = |spec: &str, rev: &str| resolver.revision(spec, rev).unwrap_err().to_string();
    assert!(refused(spec, "missing").contains("there is no such commit"), "{}", refused(spec, "missing"));
    // A revision that begins with a dash must not become an option of git.
    assert!(refused(spec, "--help").contains("there is no such commit"), "{}", refused(spec, "--help"));
    assert!(refused(spec, "none").contains("it has no Makefile"), "{}", refused(spec, "none"));
    let below = dir.join("mm");
    assert!(refused(below.to_str().unwrap(), "old").contains("not the top directory of a git checkout"));
    assert!(refused("6.12", "old").contains("it is no directory"));
    let plain = bench.temp.path().join("plain");
    kernel(&plain, "VERSION = 6\n");
    assert!(refused(plain.to_str().unwrap(), "old").contains("cannot take revision `old`"));
    // A refused revision leaves no half a tree that a later run could take for a whole one.
    let left = fs::read_dir(bench.temp.path().join("cache")).unwrap().flatten();
    let left: Vec<String> = left.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    assert!(left.iter().all(|name| name.starts_with("rev-") || name.ends_with(".lock")), "{left:?}");
}
