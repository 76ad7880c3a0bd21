// SPDX-License-Identifier: GPL-2.0-only
//! Fuzz targets and their corpora: lists agree, seeds are programs, and they replay.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use percuss::campaign::{Examiner, Oracles, image_session};
use percuss::fuzz::worthwhile;
use percuss::image::{Image, ImageSpec};
use percuss::program::Program;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(root().join(path)).expect("a file of this repository")
}

/// Names of the targets in fuzz/Cargo.toml.
fn targets() -> BTreeSet<String> {
    let manifest: toml::Table = read("fuzz/Cargo.toml").parse().expect("TOML");
    let bins = manifest["bin"].as_array().expect("targets");
    bins.iter().map(|b| b["name"].as_str().expect("a name").to_owned()).collect()
}

fn seeds(target: &str) -> Vec<PathBuf> {
    let dir = std::fs::read_dir(root().join("corpora").join(target)).expect("a corpus");
    let mut files: Vec<PathBuf> = dir.map(|e| e.expect("readable").path()).collect();
    files.sort();
    files
}

#[test]
fn every_target_has_its_source_and_corpus() {
    for name in targets() {
        let source = read(format!("fuzz/fuzz_targets/{name}.rs"));
        assert!(source.lines().count() <= 40, "{name}: logic belongs into the library");
        assert!(seeds(&name).len() >= 8, "{name}: too few seeds");
    }
    let sources = std::fs::read_dir(root().join("fuzz/fuzz_targets")).expect("targets");
    assert_eq!(sources.count(), targets().len());
    // A README that lists targets lists these.
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap_or_default();
    for line in readme.lines().filter_map(|l| l.strip_prefix("fuzz targets:")) {
        let listed: BTreeSet<String> =
            line.split([',', ' ', '`', '.']).filter(|w| !w.is_empty()).map(Into::into).collect();
        assert_eq!(listed, targets());
    }
}

#[test]
fn seeds_are_programs_in_both_forms_and_differ() {
    for target in targets() {
        let mut kinds = BTreeSet::new();
        for path in seeds(&target) {
            let name = path.display();
            let program: Program = read(&path).parse().unwrap_or_else(|e| panic!("{name}: {e}"));
            let decoded = Program::decode(&program.encode());
            assert_eq!(decoded, program, "{name}");
            assert!(worthwhile(&program), "{name} is too heavy");
            let ops: BTreeSet<&str> = program.tasks.iter().flatten().map(|op| op.info().name).collect();
            kinds.insert((format!("{:?}", program.boot), ops));
        }
        assert!(kinds.len() >= 8, "seeds of {target} are too much alike");
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
    for path in targets().iter().flat_map(|t| seeds(t)) {
        let program: Program = read(&path).parse().expect("tested above");
        // Twice: the second time starts from the reset.
        for _ in 0..2 {
            let verdict = examiner.examine(&program).expect("memory");
            let new: Vec<_> = verdict.findings.iter().filter(|f| f.quirk.is_none()).collect();
            assert!(new.is_empty(), "{}: {new:#?}", path.display());
            assert!(!verdict.boot_failed, "{}", path.display());
        }
    }
}
