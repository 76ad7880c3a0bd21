// SPDX-License-Identifier: GPL-2.0-only
//! Lists the files that the library compiles in. A file that is added to one of the folders is in the next build.
//!
//! The list is Rust source with one `include_str!` for each file, so the compiler watches their contents; this script
//! runs again only when a folder changes or a file is touched.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Folders below the root of the repository, of which every file of this ending is compiled in. Other files beside
/// them, such as a README, are not.
const FOLDERS: &[(&str, &str)] = &[
    ("bugs", "toml"),
    ("corpora/lockstep", "percuss"),
    ("corpora/quirks", "percuss"),
    ("corpora/scenarios", "percuss"),
];

const FILES: &[&str] = &["known-races.toml", "vendor/manifest.toml"];

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    // Cargo runs this in `crates/data`.
    let root = here.ancestors().nth(2).expect("a crate of the repository").to_path_buf();
    let mut paths: Vec<PathBuf> = FILES.iter().map(|file| root.join(file)).collect();
    for (folder, ending) in FOLDERS {
        collect(&root.join(folder), ending, &mut paths)?;
    }
    // The library looks them up by binary search, and the order in which a directory lists its files varies.
    paths.sort();
    let mut out = String::from("static FILES: &[(&str, &str)] = &[\n");
    for path in &paths {
        println!("cargo::rerun-if-changed={}", path.display());
        let name = path.strip_prefix(&root).expect("listed below the root").to_str().expect("names are plain");
        let _ = writeln!(out, "    ({name:?}, include_str!({path:?})),");
    }
    out += "];\n";
    fs::write(PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("files.rs"), out)
}

/// Adds the files of a folder and of those below it. Cargo is given each folder, so that a file which is added or
/// removed is noticed.
fn collect(dir: &Path, ending: &str, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", dir.display());
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, ending, paths)?;
        } else if path.extension().is_some_and(|e| e == ending) {
            paths.push(path);
        }
    }
    Ok(())
}
