// SPDX-License-Identifier: GPL-2.0-only
//! What the lock-order engine costs on the events of generated programs, and as a share of running them in lockstep.
//!
//! `cargo bench --bench lockdep` prints nanoseconds a program, then the conflicts that the programs show alone and
//! together. `-- profile` runs the engine alone for a while, for a profiler.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use percuss::image::{Image, ImageSpec};
use percuss::judge::{Examiner, Oracles, image_session};
use percuss::kernel::Geometry;
use percuss::kernel::event::Event;
use percuss::lockdep::{Graph, Lockdep, Options};
use percuss::program::{Generator, Program};

// As many programs as in benches/speed.rs, so that the numbers can be compared; the least time of the rounds counts.
const PROGRAMS: u64 = 64;
const ROUNDS: u32 = 50;

fn main() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    if let Err(why) = percuss::tree::Tree::resolve("6.12", &root) {
        return eprintln!("nothing measured: {why}");
    }
    let spec = ImageSpec { tree: "6.12".to_owned(), ..ImageSpec::default() };
    let image = Image::build(&spec).expect("an image");
    let session = image_session(&image.path, "C").expect("loads").0;
    let mut examiner = Examiner::new(session, image.facts, image.quirks, Oracles::default()).expect("memory");
    let mut generator = Generator::new(1);
    // One geometry for all: a boot for each program would hide what is measured.
    let boot = Geometry::default();
    let programs: Vec<Program> = (0..PROGRAMS).map(|n| Program { boot, ..generator.program(n) }).collect();
    let mut logs: Vec<Vec<Event>> = Vec::new();
    for p in &programs {
        examiner.examine(p).expect("memory");
        logs.push(examiner.image().shared().host.world().events().to_vec());
    }
    let (mut lockstep, mut engine, mut resets) = (Duration::MAX, Duration::MAX, Duration::MAX);
    let mut lockdep = Lockdep::new(Options::default());
    let mut graph = Graph::default();
    let mut recording = Duration::MAX;
    for _ in 0..ROUNDS {
        lockstep = lockstep.min(time(|| programs.iter().for_each(|p| drop(examiner.examine(p)))));
        engine = engine.min(time(|| logs.iter().for_each(|l| lockdep.run(l))));
        // A run without events is what the engine pays for clearing the last program away.
        resets = resets.min(time(|| (0..PROGRAMS).for_each(|_| std::hint::black_box(&mut lockdep).run(&[]))));
        recording = recording.min(time(|| {
            for (n, log) in logs.iter().enumerate() {
                lockdep.run(log);
                lockdep.record(&mut graph, n as u64, &|_| None);
            }
        }));
    }
    // For a profiler: nothing but the engine.
    if std::env::args().any(|a| a == "profile") {
        (0..20_000).for_each(|_| logs.iter().for_each(|l| lockdep.run(l)));
    }
    let events: usize = logs.iter().map(Vec::len).sum();
    // Durations are of all programs together.
    let each = |d: Duration| d.as_secs_f64() * 1e9 / PROGRAMS as f64;
    println!("lockstep   {:10.0} ns a program, {} events", each(lockstep), events / logs.len());
    println!("lock order {:10.0} ns a program, {:.1} %", each(engine), 100.0 * each(engine) / each(lockstep));
    println!("           {:10.2} ns an event", engine.as_secs_f64() * 1e9 / events as f64);
    println!("reset      {:10.0} ns", each(resets));
    println!("with graph {:10.0} ns a program", each(recording));
    for (n, log) in logs.iter().enumerate() {
        lockdep.run(log);
        for r in lockdep.reports() {
            println!("program {n}: {}", r.title);
        }
    }
    // Titles and edges are printed to show that the engine saw something: an empty log is fast.
    for c in graph.conflicts() {
        println!("over several programs: {}", c.title());
    }
    for e in graph.edges() {
        println!("{} -> {} {:?}", e.from, e.to, e.dep);
    }
}

fn time(mut what: impl FnMut()) -> Duration {
    let start = Instant::now();
    what();
    start.elapsed()
}
