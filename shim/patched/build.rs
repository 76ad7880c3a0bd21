// SPDX-License-Identifier: GPL-2.0-only
//! The second image: of what PERCUSS_PATCHED names, which is a whole tree or only the files that a patch changes; without
//! it, of the first image's tree once more.

use std::env;
use std::path::{Path, PathBuf};

#[path = "../linked.rs"]
mod linked;

const ENTRY: &str = "percuss_image_patched";

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    let shim = here.parent().expect("a directory of the shim");
    println!("cargo:rustc-check-cfg=cfg(percuss_static)");
    println!("cargo:rerun-if-env-changed=PERCUSS_PATCHED");
    for file in ["include", "c", "src/driver.rs", "linked.rs", "patched/build.rs"] {
        println!("cargo:rerun-if-changed={}", shim.join(file).display());
    }
    linked::announce_knobs();
    let Some(tree) = linked::tree(shim) else { return };
    let patched = env::var_os("PERCUSS_PATCHED").map(|dir| std::path::absolute(dir).expect("a path"));
    if let Some(dir) = &patched {
        // Of a whole tree what else an image is made of hardly changes, and looking for changes takes long.
        let watched = if is_tree(dir) { dir.join("mm") } else { dir.clone() };
        println!("cargo:rerun-if-changed={}", watched.display());
        assert!(dir.join("mm").is_dir(), "PERCUSS_PATCHED is {}, which has no mm/", dir.display());
    }
    let (whole, part) = match &patched {
        Some(dir) if is_tree(dir) => (dir, None),
        part => (&tree, part.as_deref()),
    };
    let source = linked::Source { tree: whole, overlay: part, entry: Some(ENTRY) };
    let tool = linked::compiler();
    let object = linked::object(shim, &out, &source, &tool);
    // The archive's member is taken by programs that name its entry, which are those that use this crate.
    cc::Build::new().compiler(tool.path()).object(object).compile("percuss_image_patched");
    println!("cargo:rustc-cfg=percuss_static");
}

/// All that an image needs is there, not only what a patch changes.
fn is_tree(dir: &Path) -> bool {
    ["mm/percpu.c", "include/linux/percpu.h", "lib/find_bit.c"].iter().all(|file| dir.join(file).exists())
}
