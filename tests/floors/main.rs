// SPDX-License-Identifier: GPL-2.0-only
//! The floors of docs/architecture.md hold: no arrow points up, no files lead to each other in a circle, no file or
//! folder is too big to be read.
//!
//! Cargo keeps crates from importing each other in a circle, but neither a new dependency that points up nor the rooms
//! in a crate. There is no list of exceptions: one line in it would be the first of many.

mod modules;
mod paths;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use modules::{Crate, Edge};
use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;

/// The crates from the bottom up. A crate may import those of lower floors; crates of one floor do not import each
/// other.
const FLOORS: [&[&str]; 11] = [
    &["kernel", "data"],
    &["shim", "patched"],
    &["program"],
    &["world"],
    &["lockdep", "tenant", "model"],
    &["oracle"],
    &["run"],
    &["source"],
    &["engine"],
    &["percuss"],
    &["fuzz"],
];

/// Crates that may import less than what lies below them, each with what it may import and the reason that a failure
/// prints.
const ONLY: [(&str, &[&str], &str); 3] = [
    ("lockdep", &["kernel"], "the lock-order engine consumes events, so that a real kernel's could be given to it"),
    ("model", &["kernel"], "the Model knows the Kernel trait and nothing of the World that implements it"),
    (
        "oracle",
        &["kernel", "program", "world", "lockdep", "data"],
        "oracles share nothing with the Model, so that a mistake in it cannot hide a bug",
    ),
];

/// The rooms of crates/engine from the bottom up. Of the root, cargo itself keeps `report` from `cli`: one is in the
/// library and the other in the program.
const ROOMS: [&[&str]; 6] =
    [&["sandbox", "trace"], &["judge"], &["worker"], &["image"], &["campaign"], &["experiments", "fuzz"]];

// A file of 500 lines is read in one sitting, and the names of 25 files fit on a screen.
const MAX_LINES: usize = 500;
const MAX_FILES: usize = 25;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder whose extension is `ending`, or all with "", sorted so that complaints come in a stable
/// order.
fn walk(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(dir) else { return found };
    for entry in entries.map(|e| e.unwrap().path()) {
        if entry.is_dir() {
            found.extend(walk(&entry, ending));
        } else if ending.is_empty() || entry.extension().is_some_and(|e| e == ending) {
            found.push(entry);
        }
    }
    found.sort();
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn floor(floors: &[&[&str]], name: &str) -> Option<usize> {
    floors.iter().position(|names| names.contains(&name))
}

/// Why one crate may not import another, with what to do about it; None when it may.
fn refusal(from: &str, to: &str) -> Option<String> {
    let (Some(above), Some(below)) = (floor(&FLOORS, from), floor(&FLOORS, to)) else {
        return Some(format!("{from} or {to} is on no floor: give it one in tests/floors/main.rs"));
    };
    if from == to {
        return None;
    }
    if let Some((_, only, reason)) = ONLY.iter().find(|(name, ..)| *name == from)
        && !only.contains(&to)
    {
        return Some(format!("{from} may use {} alone: {reason}", only.join(", ")));
    }
    (below >= above).then(|| {
        format!("{to} is not below {from}: move what both need to a crate below them, or have the caller pass it in")
    })
}

/// The crates by their names in [`FLOORS`], with their folders. The root package is `percuss`; shim and fuzz lie
/// outside of crates/.
fn crates() -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::from([
        ("percuss".to_owned(), root().to_owned()),
        ("shim".to_owned(), root().join("shim")),
        ("fuzz".to_owned(), root().join("fuzz")),
    ]);
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let path = entry.unwrap().path();
        found.insert(path.file_name().unwrap().to_str().unwrap().to_owned(), path);
    }
    found
}

/// The name in [`FLOORS`] of a package, from `percuss_world` in code or `percuss-world` in a manifest; None for a crate
/// of others.
fn package(name: &str) -> Option<&str> {
    if name == "percuss" {
        return Some(name);
    }
    name.strip_prefix("percuss_").or_else(|| name.strip_prefix("percuss-"))
}

/// The modules of every crate. The root comes twice, since its program is a crate of its own that imports its library.
fn module_trees() -> Vec<(String, Crate)> {
    let mut trees = Vec::new();
    for (name, dir) in crates() {
        let src = dir.join("src");
        if name == "percuss" {
            let program = |p: &Path| p.starts_with("cli") || p == Path::new("main.rs");
            trees.push((name.clone(), Crate::load(&src, "lib.rs", |p| !program(p))));
            trees.push((name, Crate::load(&src, "main.rs", program)));
        } else {
            trees.push((name, Crate::load(&src, "lib.rs", |_| true)));
        }
    }
    trees
}

fn no_complaints(mut complaints: Vec<String>) {
    complaints.sort();
    complaints.dedup();
    assert!(complaints.is_empty(), "\n{}\n{} in all", complaints.join("\n"), complaints.len());
}

#[test]
fn manifests_name_lower_floors_only() {
    let mut complaints = Vec::new();
    for (name, dir) in crates() {
        let file = dir.join("Cargo.toml");
        let manifest: toml::Table = fs::read_to_string(&file).unwrap().parse().unwrap();
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(table) = manifest.get(section).and_then(|t| t.as_table()) else { continue };
            for dependency in table.keys().filter_map(|k| package(k)) {
                let why = refusal(&name, dependency);
                complaints.extend(why.map(|why| format!("{} [{section}]: {why}", shown(&file))));
            }
        }
    }
    no_complaints(complaints);
}

#[test]
fn crates_import_lower_floors_only() {
    let (mut complaints, mut seen) = (Vec::new(), 0);
    for (name, tree) in module_trees() {
        for (file, named) in tree.paths() {
            let Some(used) = package(&named.segments[0]) else { continue };
            seen += 1;
            // The program's files name the library of their own package.
            let why = refusal(&name, used);
            complaints.extend(why.map(|why| format!("{}:{}: {why}", shown(file), named.line)));
        }
    }
    // A reader that no longer sees imports would find nothing to complain about.
    assert!(seen > 300, "{seen} imports of other crates were seen");
    no_complaints(complaints);
}

/// The room of a file of the engine: the first part of its path below src. None for lib.rs, which only declares the
/// rooms.
fn room(file: &Path) -> Option<&str> {
    let inner = file.strip_prefix(root().join("crates/engine/src")).ok()?;
    let first = inner.iter().next()?.to_str()?;
    Some(first.trim_end_matches(".rs")).filter(|name| *name != "lib")
}

#[test]
fn rooms_import_lower_floors_only() {
    let mut complaints = Vec::new();
    let engine = Crate::load(&root().join("crates/engine/src"), "lib.rs", |_| true);
    let edges = engine.edges();
    for edge in &edges {
        let (Some(from), Some(to)) = (room(&edge.from), room(&edge.to)) else { continue };
        let (Some(above), Some(below)) = (floor(&ROOMS, from), floor(&ROOMS, to)) else {
            complaints.push(format!("{from} or {to} is on no floor: give it one in tests/floors/main.rs"));
            continue;
        };
        if from != to && below >= above {
            complaints.push(format!(
                "{}:{}: {from} uses {} of {to}, which is not below it: move what both need to a room below them, or have \
                 the caller pass it in",
                shown(&edge.from),
                edge.line,
                edge.path
            ));
        }
    }
    assert!(edges.len() > 100, "{} uses in the engine were seen", edges.len());
    no_complaints(complaints);
}

/// Groups of files that import each other in a circle, each as a text with the imports that make it one. Files in a
/// circle can only be understood together. Imports of test modules do not count: a test may use anything.
fn circles(edges: &[&Edge]) -> Vec<String> {
    let mut graph: DiGraphMap<&Path, ()> = DiGraphMap::new();
    for edge in edges {
        graph.add_edge(edge.from.as_path(), edge.to.as_path(), ());
    }
    let mut found = Vec::new();
    for group in tarjan_scc(&graph).into_iter().filter(|group| group.len() > 1) {
        let mut files: Vec<String> = group.iter().map(|f| shown(f)).collect();
        files.sort();
        let mut text = format!("{} files use each other: {}", files.len(), files.join(", "));
        let mut pairs = BTreeSet::new();
        for edge in edges.iter().filter(|e| [&e.from, &e.to].iter().all(|f| group.contains(&f.as_path()))) {
            if pairs.insert((&edge.from, &edge.to)) {
                let (from, to) = (shown(&edge.from), shown(&edge.to));
                text += &format!("\n    {from}:{} uses {} of {to}", edge.line, edge.path);
            }
        }
        found.push(text + "\n  move what both need to a third file that uses neither");
    }
    found
}

#[test]
fn no_files_use_each_other() {
    let mut complaints = Vec::new();
    for (_, tree) in module_trees() {
        let edges = tree.edges();
        complaints.extend(circles(&edges.iter().filter(|e| !e.test).collect::<Vec<_>>()));
    }
    no_complaints(complaints);
}

#[test]
fn files_and_folders_are_small() {
    let mut complaints = Vec::new();
    let mut folders: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for part in ["crates", "src", "shim", "tests", "benches", "examples", "fuzz"] {
        for file in walk(&root().join(part), "") {
            // What the tests and cargo wrote is not read as a folder.
            let generated = ["snapshots", "target", "artifacts", "corpus", "coverage"];
            if file.iter().any(|p| generated.iter().any(|g| p == *g)) && !file.starts_with(root().join("examples")) {
                continue;
            }
            *folders.entry(file.parent().unwrap().to_owned()).or_default() += 1;
            if file.extension().is_some_and(|e| ["rs", "c", "h"].iter().any(|known| e == *known)) {
                let lines = fs::read_to_string(&file).unwrap().lines().count();
                if lines > MAX_LINES {
                    let what = "split it by what its parts do";
                    complaints.push(format!("{}: {lines} lines of at most {MAX_LINES}: {what}", shown(&file)));
                }
            }
        }
    }
    for (folder, files) in folders {
        if files > MAX_FILES {
            let what = "make folders of what belongs together";
            complaints.push(format!("{}: {files} files of at most {MAX_FILES}: {what}", shown(&folder)));
        }
    }
    no_complaints(complaints);
}
