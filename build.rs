// SPDX-License-Identifier: GPL-2.0-only
//! Lists the text programs of `corpora/lockstep/` for the report module to embed, and tells the code whether it is built
//! with AddressSanitizer, which stable Rust does not say.

use std::fmt::Write;
use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rustc-check-cfg=cfg(percuss_asan)");
    let sanitize = env::var("CARGO_CFG_SANITIZE").unwrap_or_default();
    if sanitize.split(',').any(|s| s == "address") {
        println!("cargo::rustc-cfg=percuss_asan");
    }
    let dir = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("corpora/lockstep");
    println!("cargo::rerun-if-changed={}", dir.display());
    let mut paths: Vec<PathBuf> = fs::read_dir(&dir)?.map(|e| e.map(|e| e.path())).collect::<io::Result<_>>()?;
    paths.retain(|p| p.extension().is_some_and(|e| e == "percuss"));
    paths.sort();
    let mut out = String::from("/// Text programs that every check runs, by file name.\n");
    out += "pub const CORPUS: &[(&str, &str)] = &[\n";
    for path in &paths {
        println!("cargo::rerun-if-changed={}", path.display());
        let name = path.file_name().and_then(|n| n.to_str()).expect("corpus names are plain");
        let _ = writeln!(out, "    ({name:?}, include_str!({path:?})),");
    }
    out += "];\n";
    fs::write(PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("corpus.rs"), out)
}
