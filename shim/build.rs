// SPDX-License-Identifier: GPL-2.0-only
//! Bindings of the ABI header, the table of C sources for run-time compiling, and the static image for fuzz targets.

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[path = "src/driver.rs"]
#[allow(dead_code)] // the library uses the rest
mod driver;

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    println!("cargo:rustc-check-cfg=cfg(percuss_static)");
    for dir in ["include", "c", "src/driver.rs", "build.rs"] {
        println!("cargo:rerun-if-changed={dir}");
    }
    for knob in ["PERCUSS_TREE", "PERCUSS_CC", "PERCUSS_LD", "PERCUSS_UBSAN"] {
        println!("cargo:rerun-if-env-changed={knob}");
    }
    bindings(&root, &out);
    file_table(&root, &out);
    if env::var_os("CARGO_FEATURE_STATIC_IMAGE").is_some() {
        static_image(&root, &out);
    }
}

fn bindings(root: &Path, out: &Path) {
    let header = root.join("include/percuss_abi.h");
    bindgen::Builder::default()
        .header(header.to_str().expect("the path of this crate is UTF-8"))
        .allowlist_type("percuss_.*")
        .allowlist_var("PERCUSS_.*")
        .allowlist_function("percuss_image")
        .derive_default(true)
        .layout_tests(true)
        .generate()
        .expect("libclang reads percuss_abi.h")
        .write_to_file(out.join("abi.rs"))
        .expect("OUT_DIR is writable");
}

fn file_table(root: &Path, out: &Path) {
    let mut files = Vec::new();
    for dir in ["include", "c"] {
        list(&root.join(dir), &mut files);
    }
    files.sort();
    let mut text = String::from("static SHIM_FILES: &[(&str, &str)] = &[\n");
    for path in &files {
        let name = path.strip_prefix(root).expect("listed below root");
        writeln!(text, "    ({:?}, include_str!({:?})),", name.display().to_string(), path).expect("String");
    }
    text.push_str("];\n");
    std::fs::write(out.join("shim_files.rs"), text).expect("OUT_DIR is writable");
}

fn list(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("part of this crate").flatten() {
        let path = entry.path();
        if path.is_dir() {
            list(&path, files);
        } else {
            files.push(path);
        }
    }
}

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

/// Links the image of one tree. Without a tree the crate still builds; `Image::linked` then says what is missing.
fn static_image(root: &Path, out: &Path) {
    let default = root.join("../vendor/trees/6.12");
    // Cargo looks again each time as long as there is none.
    println!("cargo:rerun-if-changed={}", default.join("mm/percpu.c").display());
    let tree = env::var_os("PERCUSS_TREE").map(PathBuf::from).or_else(|| default.exists().then_some(default));
    let Some(tree) = tree else {
        println!("cargo:warning=no kernel tree: set PERCUSS_TREE or unpack one to vendor/trees/6.12");
        return;
    };
    println!("cargo:rerun-if-changed={}", tree.join("mm/percpu.c").display());

    // cc knows CC, CFLAGS and the sanitizer of the Rust side; only clang can be instrumented for libFuzzer.
    let mut build = cc::Build::new();
    build.opt_level(2).debug(false).warnings(false);
    if env::var_os("CC").is_none() {
        build.compiler(driver::find_compiler().expect("a C compiler"));
    }
    let tool = build.get_compiler();
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
    if env::var_os("PERCUSS_UBSAN").is_some_and(|v| v != "0") && !has(&flags, "undefined") {
        flags.extend(UBSAN.map(OsString::from));
    }
    let scratch = out.join("image");
    std::fs::create_dir_all(&scratch).expect("OUT_DIR is writable");
    let job = driver::Job {
        tree: &std::path::absolute(tree).expect("a path"),
        overlay: None,
        defines: &["-DPERCUSS_MEMCG=1"],
        shim: root,
        scratch: &scratch,
        compiler: tool.path(),
        flags: &flags,
        launcher: &[],
    };
    match driver::build_object(&job) {
        Ok(object) => {
            // The fuzz target's own C is not instrumented: the sanitizer asks for its options before it is ready.
            let mut host = cc::Build::new();
            host.compiler(tool.path()).file(root.join("c/fuzz.c")).flag("-fno-sanitize=all").flag("-w");
            host.flag_if_supported("-fno-sanitize-coverage=edge,trace-cmp,inline-8bit-counters,pc-table");
            host.object(object).compile("percuss_image");
            println!("cargo:rustc-cfg=percuss_static");
        }
        Err(e) => panic!("the static image cannot be built: {e}"),
    }
}
