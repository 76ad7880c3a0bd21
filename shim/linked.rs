// SPDX-License-Identifier: GPL-2.0-only
//! Images that are linked into a program: which tree, which compiler, which flags. A part of build scripts.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

#[path = "src/driver.rs"]
#[allow(dead_code)] // the library uses the rest
pub mod driver;

#[path = "generate.rs"]
pub mod generate;

/// UndefinedBehaviorSanitizer, which ends the program where it finds something. Off are:
/// - `alignment` and `pointer-overflow`: per-CPU pointers are offsets that percpu.c computes with as pointers;
/// - `function`: functions of the host are called through a table whose types the compiler cannot see;
/// - `null`: as in the kernel, which is compiled with -fno-delete-null-pointer-checks;
/// - `vptr` is for C++; `signed-integer-overflow` is no error with the kernel's -fwrapv.
const UBSAN: [&str; 3] = [
    "-fsanitize=undefined",
    "-fno-sanitize=alignment,pointer-overflow,function,null,vptr",
    "-fno-sanitize-recover=undefined",
];

/// Has cargo run the build script again when a variable of the environment changes that an image depends on.
///
/// Without it a target would keep the image of the tree that it was first built with.
pub fn announce_knobs() {
    for knob in ["PERCUSS_TREE", "PERCUSS_CC", "PERCUSS_LD", "PERCUSS_UBSAN"] {
        println!("cargo:rerun-if-env-changed={knob}");
    }
}

/// The tree that `PERCUSS_TREE` names, else the default one; None, with a warning, when it is not there. `root` is where
/// the shim is.
pub fn tree(root: &Path) -> Option<PathBuf> {
    let default = root.join("../vendor/trees/6.12");
    // Cargo looks again each time as long as there is none.
    println!("cargo:rerun-if-changed={}", default.join("mm/percpu.c").display());
    let tree = env::var_os("PERCUSS_TREE").map(PathBuf::from).or_else(|| default.exists().then_some(default));
    match &tree {
        Some(tree) => println!("cargo:rerun-if-changed={}", tree.join("mm/percpu.c").display()),
        None => println!("cargo:warning=no kernel tree: set PERCUSS_TREE or unpack one to vendor/trees/6.12"),
    }
    tree.map(|tree| std::path::absolute(tree).expect("a path"))
}

/// The compiler with the flags that cc knows: CC, CFLAGS and the sanitizer of the Rust side.
///
/// A linked image must be instrumented like the Rust around it, else a sanitizer would miss or misread its accesses.
pub fn compiler() -> cc::Tool {
    let mut build = cc::Build::new();
    build.opt_level(2).debug(false).warnings(false);
    if env::var_os("CC").is_none() {
        build.compiler(driver::find_compiler().expect("a C compiler"));
    }
    build.get_compiler()
}

/// True when accesses that the kernel marks (READ_ONCE and the like) are marked for ThreadSanitizer too; see c/marked.c.
pub fn tells_marked_apart(tool: &cc::Tool) -> bool {
    let sanitize = env::var("CARGO_CFG_SANITIZE").unwrap_or_default();
    tool.is_like_clang() && sanitize.split(',').any(|s| s == "thread")
}

/// Its flags with those that instrument the image as the Rust is; only clang can do it for libFuzzer.
fn flags(tool: &cc::Tool) -> Vec<OsString> {
    let mut flags: Vec<OsString> = tool.args().to_vec();
    let has = |flags: &[OsString], text: &str| flags.iter().any(|f| f.to_string_lossy().contains(text));
    if env::var_os("CARGO_CFG_FUZZING").is_some() && tool.is_like_clang() && !has(&flags, "fuzzer-no-link") {
        flags.push("-fsanitize=fuzzer-no-link".into());
    }
    let sanitize = env::var("CARGO_CFG_SANITIZE").unwrap_or_default();
    for name in ["address", "thread"] {
        if sanitize.split(',').any(|s| s == name) && !has(&flags, name) {
            flags.push(format!("-fsanitize={name}").into());
        }
    }
    if tells_marked_apart(tool) {
        flags.extend(["-mllvm", "-tsan-distinguish-volatile"].map(OsString::from));
    }
    if env::var_os("PERCUSS_UBSAN").is_some_and(|v| v != "0") && !has(&flags, "undefined") {
        flags.extend(UBSAN.map(OsString::from));
    }
    flags
}

/// Compiles an image of `tree`, with the files of `overlay` in place of its own, to one object. `root` is where the shim is.
pub fn object(root: &Path, out: &Path, tree: &Path, overlay: Option<&Path>, tool: &cc::Tool) -> PathBuf {
    let scratch = out.join("image");
    std::fs::create_dir_all(&scratch).expect("OUT_DIR is writable");
    let job = driver::Job {
        tree,
        overlay,
        defines: &["-DPERCUSS_MEMCG=1"],
        shim: root,
        generated: &generate::headers(root, out),
        scratch: &scratch,
        compiler: tool.path(),
        flags: &flags(tool),
        launcher: &[],
    };
    driver::build_object(&job).unwrap_or_else(|e| panic!("the static image cannot be built: {e}"))
}
