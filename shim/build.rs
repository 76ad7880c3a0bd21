// SPDX-License-Identifier: GPL-2.0-only
//! Bindings of the ABI header, the table of C sources for run-time compiling, and the static image for fuzz targets.

use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

mod linked;

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    println!("cargo:rustc-check-cfg=cfg(percuss_static)");
    for dir in ["include", "c", "src/driver.rs", "build.rs", "linked.rs", "generate.rs"] {
        println!("cargo:rerun-if-changed={dir}");
    }
    linked::announce_knobs();
    let generated = linked::generate::headers(&root, &out);
    bindings(&root, &generated, &out);
    file_table(&root, &generated, &out);
    if env::var_os("CARGO_FEATURE_STATIC_IMAGE").is_some() {
        static_image(&root, &out);
    }
}

fn bindings(root: &Path, generated: &Path, out: &Path) {
    let header = root.join("include/percuss_abi.h");
    bindgen::Builder::default()
        .header(header.to_str().expect("the path of this crate is UTF-8"))
        .clang_arg(format!("-I{}", generated.to_str().expect("OUT_DIR is UTF-8")))
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

/// The generated headers are embedded beside the others, so that an installed binary compiles images by itself.
fn file_table(root: &Path, generated: &Path, out: &Path) {
    let mut files = Vec::new();
    for dir in ["include", "c"] {
        list(&root.join(dir), &mut files);
    }
    list(generated, &mut files);
    files.sort();
    let mut text = String::from("static SHIM_FILES: &[(&str, &str)] = &[\n");
    for path in &files {
        let name = path.strip_prefix(root).or(path.strip_prefix(out)).expect("listed below one of them");
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

/// Links the image of one tree. Without a tree the crate still builds; `Image::linked` then says what is missing.
fn static_image(root: &Path, out: &Path) {
    let Some(tree) = linked::tree(root) else { return };
    let tool = linked::compiler();
    let object = linked::object(root, out, &tree, None, &tool);
    // The fuzz target's own C is not instrumented: the sanitizer asks for its options before it is ready.
    let mut host = cc::Build::new();
    host.compiler(tool.path()).file(root.join("c/fuzz.c")).flag("-fno-sanitize=all").flag("-w");
    host.flag_if_supported("-fno-sanitize-coverage=edge,trace-cmp,inline-8bit-counters,pc-table");
    if linked::tells_marked_apart(&tool) {
        host.file(root.join("c/marked.c"));
    }
    host.object(object).compile("percuss_image");
    println!("cargo:rustc-cfg=percuss_static");
}
