// SPDX-License-Identifier: GPL-2.0-only
//! What an alloc and free pair costs, and the digest's share. Run with
//! `cargo test --release -p percuss-shim --test speed -- --ignored --nocapture`.

mod common;

use std::time::Instant;

use common::*;
use percuss_shim::abi::*;
use percuss_shim::{Config, Image};

#[test]
#[ignore = "a measurement"]
fn alloc_and_free() {
    let Some(tree) = tree("6.12") else { return };
    for cpus in [4, 64] {
        for (name, flags) in [("with digest", &[][..]), ("without", &["-DPERCUSS_NO_DIGEST=1"])] {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let path = build_in(dir.path(), &tree, Config::Smp, None, flags);
            let (i, _) = boot(Image::load(&path).expect("loads"), &params(cpus, PERCUSS_FIRST_EMBED));
            i.host().check.set(false);
            for gfp in [GFP_KERNEL, GFP_ATOMIC] {
                let fixed = |n: u32| {
                    for _ in 0..n {
                        i.free(i.alloc(64, 8, false, gfp));
                    }
                };
                fixed(10_000);
                let best = (0..5).map(|_| {
                    let start = Instant::now();
                    fixed(200_000);
                    start.elapsed().as_nanos() as f64 / 200_000.0
                });
                let best = best.fold(f64::MAX, f64::min);
                println!("{cpus:2} CPUs, {name:11}, gfp {gfp:#x}: {best:.0} ns a pair of alloc and free");
            }
            let start = Instant::now();
            exercise(&i, &mut Rng(3), 400_000, 2000, true);
            println!("{cpus:2} CPUs, {name:11}, mixed: {} ns an op", start.elapsed().as_nanos() / 400_000);
            i.save();
            let start = Instant::now();
            (0..100_000).for_each(|_| i.restore());
            println!("{cpus:2} CPUs, restore: {} ns", start.elapsed().as_nanos() / 100_000);
        }
    }
}
