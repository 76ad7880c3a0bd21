// SPDX-License-Identifier: GPL-2.0-only
//! What a program of 64 ops costs, from the bare allocator to lockstep under every oracle. `cargo bench --bench speed`
//! prints divan's table, then the ratios that docs/speed.md speaks of, measured in turns so that a slow machine is slow
//! for all of them. `cargo bench --bench speed -- summary` prints the ratios alone. `-- profile lockstep 4` runs one
//! part at one number of CPUs for a while, for a profiler; `-- profile lockstep 4 1000` runs 1000 programs, so that
//! instructions can be compared where time is too noisy.

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
    let args: Vec<String> = std::env::args().collect();
    if let [_, verb, part, cpus, ..] = args.as_slice()
        && verb == "profile"
    {
        let programs = args.get(4).map(|n| n.parse().expect("a number of programs"));
        return profile(part, cpus.parse().expect("a number of CPUs"), programs);
    }
    let only_summary = args.iter().any(|a| a == "summary");
    if !only_summary {
        divan::main();
    }
    // `cargo test --benches` only asks whether everything still runs.
    if !args.iter().any(|a| a == "--test") {
        summary::print();
    }
}

fn profile(part: &str, cpus: u32, programs: Option<usize>) {
    let mut fixture = Fixture::new(cpus);
    let run = match part {
        "bare" => Fixture::bare,
        "c" => Fixture::c_alone,
        "model" => Fixture::model_alone,
        "reset" => |f: &mut Fixture, n| {
            f.reset(n);
        },
        _ => Fixture::lockstep,
    };
    let start = std::time::Instant::now();
    let mut n = 0;
    // Five seconds give a profiler that samples a thousand times a second enough to see single functions.
    while programs.map_or_else(|| start.elapsed().as_secs() < 5, |programs| n < programs) {
        run(&mut fixture, n);
        n += 1;
    }
    // The number tells whether two profiles saw as much work.
    println!("{n} programs");
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
