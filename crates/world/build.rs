// SPDX-License-Identifier: GPL-2.0-only
//! Tells the code whether it is built with AddressSanitizer, which stable Rust does not say.

use std::env;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(percuss_asan)");
    println!("cargo::rerun-if-changed=build.rs");
    let sanitize = env::var("CARGO_CFG_SANITIZE").unwrap_or_default();
    if sanitize.split(',').any(|s| s == "address") {
        println!("cargo::rustc-cfg=percuss_asan");
    }
}
