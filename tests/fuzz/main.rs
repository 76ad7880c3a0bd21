// SPDX-License-Identifier: GPL-2.0-only
//! Fuzz targets and their corpora: lists agree, seeds are what they should be, and they replay.
//!
//! Targets are named in the library, a manifest, folders and a page. One that is missing in a list is simply not
//! fuzzed.

#[path = "../common/mod.rs"]
mod common;
mod session;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use percuss::fuzz::{Kind, TARGETS, Target, corpus, worthwhile};
use percuss::image::{Image, ImageSpec};
use percuss::judge::{Examiner, Oracles, image_session};
use percuss::program::{Program, TABLE};

/// Folders of corpora/ that belong to no fuzz target: programs that other tests and commands run.
const OTHER: [&str; 4] = ["boot-fails", "quirks", "scenarios", "exhaustive"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(path)).expect("a file of this repository")
}

fn names() -> BTreeSet<String> {
    TARGETS.iter().map(|t| t.name.to_owned()).collect()
}

fn seeds(target: &str) -> Vec<PathBuf> {
    corpus::seeds(&root().join("corpora").join(target)).expect("a corpus")
}

fn programs() -> impl Iterator<Item = (&'static Target, PathBuf)> {
    let targets = TARGETS.iter().filter(|t| matches!(t.kind, Kind::Program { .. }));
    targets.flat_map(|t| seeds(t.name).into_iter().map(move |path| (t, path)))
}

fn program(path: &Path) -> Program {
    read(path).parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn lists_agree() {
    let manifest: toml::Table = read("fuzz/Cargo.toml").parse().expect("TOML");
    let bins = manifest["bin"].as_array().expect("targets");
    let bins: BTreeSet<String> = bins.iter().map(|b| b["name"].as_str().expect("a name").to_owned()).collect();
    assert_eq!(bins, names());

    let listed = |dir: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(root().join(dir)).expect("a directory");
        let stems = entries.map(|e| e.expect("readable").path().file_stem().unwrap().to_string_lossy().into_owned());
        stems.collect()
    };
    assert_eq!(listed("fuzz/fuzz_targets"), names());
    let mut folders = listed("corpora");
    OTHER.iter().for_each(|other| assert!(folders.remove(*other), "{other}"));
    assert_eq!(folders, names());

    let page = read("docs/fuzzing.md");
    let rows = page.split("<!-- fuzz targets -->\n").nth(1).and_then(|t| t.split("<!-- end").next()).expect("a table");
    let rows: Vec<&str> = rows.lines().skip(2).collect();
    let expected: Vec<String> = TARGETS.iter().map(|t| format!("| `{}` | {} |", t.name, t.about)).collect();
    assert_eq!(rows, expected);
}

#[test]
fn no_script_lists_targets_itself() {
    // Continuous integration, services and plain servers take the targets that there are. A list of their own would
    // miss the next one.
    for script in ["scripts/test", "scripts/fuzz-all", "scripts/oss-fuzz-local", "fuzz/oss-fuzz/build.sh"] {
        let text = read(script);
        assert!(text.contains("fuzz_targets"), "{script} does not go through the targets");
        // As words: `reclaim`, not a part of another word.
        let words: BTreeSet<&str> = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
        for name in ["reclaim", "program_text", "mbox"] {
            assert!(!words.contains(name), "{script} names {name}");
        }
    }
}

#[test]
fn every_target_is_glue_and_has_seeds() {
    for target in TARGETS {
        let source = read(format!("fuzz/fuzz_targets/{}.rs", target.name));
        // What is in a target's file runs only under a fuzzer, so no test sees it.
        assert!(source.lines().count() <= 40, "{}: logic belongs into the library", target.name);
        assert!(source.contains(&format!("target!(\"{}\"", target.name)));
        // A fuzzer that starts from nothing takes hours to find what a few seeds show it.
        assert!(seeds(target.name).len() >= 8, "{}: too few seeds", target.name);
    }
}

#[test]
fn seeds_are_programs_of_their_target() {
    for (target, path) in programs() {
        let (name, program) = (path.display(), program(&path));
        assert_eq!(Program::decode(&program.encode()), program, "{name}: bytes and text differ");
        // A target repairs what it gets, because a caller that breaks the contract makes any allocator fail.
        let mut safe = program.clone();
        safe.unsafe_caller = false;
        safe.repair();
        assert_eq!(target.program(read(&path).as_bytes()), Some(safe), "{name}: {} runs something else", target.name);
        assert!(worthwhile(&program), "{name} is too heavy");
    }
}

#[test]
fn seeds_tell_their_story() {
    // A seed without a reason is dropped at the next tidying up, with what it covered. Those in coverage/ are exempt:
    // they were made by a merge, for the lines they reach.
    for (_, path) in programs() {
        let minimised = path.parent().is_some_and(|dir| dir.ends_with("coverage"));
        assert!(minimised || read(&path).starts_with('#'), "{} has no story", path.display());
    }
}

#[test]
fn seeds_differ_and_have_every_op() {
    let mut seen: BTreeMap<Vec<u8>, PathBuf> = BTreeMap::new();
    let mut ops = BTreeSet::new();
    for (_, path) in programs() {
        let program = program(&path);
        let lists = program.tasks.iter().chain(program.shrinkers.iter().map(|s| &s.ops));
        ops.extend(lists.flatten().map(|op| op.info().name));
        if let Some(other) = seen.insert(program.encode(), path.clone()) {
            panic!("{} and {} are one program", other.display(), path.display());
        }
    }
    // Fuzz inputs call no function of one tree by its name: bytes would have to hold it.
    for op in TABLE.iter().filter(|op| op.name != "call") {
        assert!(ops.contains(op.name), "no seed has `{}`", op.name);
    }
    for target in TARGETS.iter().filter(|t| matches!(t.kind, Kind::Parser(_))) {
        let texts: BTreeSet<Vec<u8>> = seeds(target.name).iter().map(|p| fs::read(p).expect("a seed")).collect();
        assert_eq!(texts.len(), seeds(target.name).len(), "two seeds of {} are one", target.name);
    }
}

#[test]
fn parsers_take_their_seeds() {
    for target in TARGETS {
        if let Kind::Parser(parse) = target.kind {
            seeds(target.name).iter().for_each(|path| parse(&fs::read(path).expect("a seed")));
        }
    }
}

#[test]
fn seeds_replay_without_a_new_finding() {
    let image = match Image::build(&ImageSpec { tree: "6.12".to_owned(), ..ImageSpec::default() }) {
        Ok(image) => image,
        Err(e) => return eprintln!("skipped: {e}"),
    };
    let session = image_session(&image.path, "C").expect("loads").0;
    let mut examiner = Examiner::new(session, image.facts, image.quirks, Oracles::default()).expect("memory");
    for (target, path) in programs() {
        let program = target.program(read(&path).as_bytes()).expect("a program");
        // A fault in memblock fails the boot itself, which is not a finding when the program asks for it.
        let fails = program.faults.iter().any(|f| f.site == percuss::kernel::event::Site::Memblock);
        // Twice: the second time starts from the reset, the first from a boot or another program.
        for _ in 0..2 {
            let verdict = examiner.examine(&program).expect("memory");
            let new: Vec<_> = verdict.findings.iter().filter(|f| f.quirk.is_none()).collect();
            assert!(new.is_empty(), "{}: {new:#?}", path.display());
            assert!(fails || !verdict.boot_failed, "{}", path.display());
        }
    }
}
