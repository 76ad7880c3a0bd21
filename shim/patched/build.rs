// SPDX-License-Identifier: GPL-2.0-only
//! The second image: of what PERCUSS_PATCHED names, which is a whole tree or only the files that a patch changes; without
//! it, of the first image's tree once more.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "../linked.rs"]
mod linked;

/// The one function of an image that others see, and what it is called in this one.
const NAMES: [&str; 2] = ["percuss_image", "percuss_image_patched"];

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    let shim = here.parent().expect("a directory of the shim");
    println!("cargo:rustc-check-cfg=cfg(percuss_static)");
    println!("cargo:rerun-if-env-changed=PERCUSS_PATCHED");
    for file in ["include", "c", "src/driver.rs", "linked.rs", "generate.rs", "patched/build.rs"] {
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
    let tool = linked::compiler();
    let Some(objcopy) = objcopy(tool.path()) else {
        println!("cargo:warning=no llvm-objcopy, so there is no second image");
        return;
    };
    let object = linked::object(shim, &out, whole, part, &tool);
    let object = renamed(&objcopy, &object);
    // The archive's member is taken by programs that name its entry, which are those that use this crate.
    cc::Build::new().compiler(tool.path()).object(object).compile(NAMES[1]);
    println!("cargo:rustc-cfg=percuss_static");
}

/// LLVM's objcopy: that of the compiler, else whichever there is. Without it only this image is missing.
fn objcopy(compiler: &Path) -> Option<PathBuf> {
    let works = |path: &PathBuf| Command::new(path).arg("--version").output().is_ok_and(|o| o.status.success());
    linked::driver::program_of(compiler, "llvm-objcopy").or(Some("llvm-objcopy".into())).filter(works)
}

/// A copy of an object that can stand beside another image in one program: all that is left global is the entry, with a
/// name of its own.
fn renamed(objcopy: &Path, object: &Path) -> PathBuf {
    let out = object.with_file_name(NAMES[1]).with_extension("o");
    let mut command = Command::new(objcopy);
    command.arg(format!("--redefine-sym={}={}", NAMES[0], NAMES[1]));
    // Which of the two names counts is not written down.
    command.args(NAMES.map(|name| format!("--keep-global-symbol={name}")));
    let status = command.arg(object).arg(&out).status();
    assert!(status.is_ok_and(|s| s.success()), "{} failed", objcopy.display());
    out
}

/// All that an image needs is there, not only what a patch changes.
fn is_tree(dir: &Path) -> bool {
    ["mm/percpu.c", "include/linux/percpu.h", "lib/find_bit.c"].iter().all(|file| dir.join(file).exists())
}
