// SPDX-License-Identifier: GPL-2.0-only
//! What a program of 64 ops costs, from the bare allocator to lockstep under every oracle. `cargo bench --bench speed`
//! prints divan's table, then the ratios that docs/speed.md speaks of, measured in turns so that a slow machine is slow
//! for all of them. `cargo bench --bench speed -- summary` prints the ratios alone.

#[path = "speed/fixture.rs"]
mod fixture;
#[path = "speed/summary.rs"]
mod summary;

use divan::{Bencher, counter::ItemsCount};
use fixture::{CPUS, Fixture, OPS};

fn main() {
    if let Err(why) = fixture::tree() {
        return eprintln!("nothing measured: {why}");
    }
    let only_summary = std::env::args().any(|a| a == "summary");
    if !only_summary {
        divan::main();
    }
    // `cargo test --benches` only asks whether everything still runs.
    if !std::env::args().any(|a| a == "--test") {
        summary::print();
    }
}

fn programs(bencher: Bencher<'_, '_>, cpus: u32, mut run: impl FnMut(&mut Fixture, usize)) {
    let mut fixture = Fixture::new(cpus);
    let mut next = 0;
    bencher.counter(ItemsCount::new(OPS)).bench_local(|| {
        run(&mut fixture, next);
        next += 1;
    });
}

#[divan::bench(args = CPUS)]
fn bare_c(bencher: Bencher<'_, '_>, cpus: u32) {
    programs(bencher, cpus, Fixture::bare);
}

#[divan::bench(args = CPUS)]
fn c_alone(bencher: Bencher<'_, '_>, cpus: u32) {
    programs(bencher, cpus, Fixture::c_alone);
}

#[divan::bench(args = CPUS)]
fn model_alone(bencher: Bencher<'_, '_>, cpus: u32) {
    programs(bencher, cpus, Fixture::model_alone);
}

#[divan::bench(args = CPUS)]
fn lockstep(bencher: Bencher<'_, '_>, cpus: u32) {
    programs(bencher, cpus, Fixture::lockstep);
}

#[divan::bench(args = CPUS)]
fn empty_program(bencher: Bencher<'_, '_>, cpus: u32) {
    programs(bencher, cpus, |f, _| f.empty(false));
}

#[divan::bench(args = CPUS)]
fn empty_program_with_boot(bencher: Bencher<'_, '_>, cpus: u32) {
    programs(bencher, cpus, |f, _| f.empty(true));
}
