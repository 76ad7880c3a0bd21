// SPDX-License-Identifier: GPL-2.0-only
//! What schedules cost: a switch of fibers, a scheduling point at which no other task goes on, and programs of several
//! tasks in lockstep. `cargo bench --bench schedule` prints divan's table, then the ratio that docs/speed.md speaks of,
//! measured in turns so that a slow machine is slow for all of them. `-- scaling` measures campaigns with one job and
//! two, which says something on an idle machine only.

use std::time::{Duration, Instant};

use divan::{Bencher, counter::ItemsCount};
use percuss::campaign::{Extent, Progress, generated};
use percuss::image::{Image, ImageSpec};
use percuss::judge::{Examiner, Oracles, image_session};
use percuss::program::rng::Rng;
use percuss::program::{Generator, Op, Program, Turn};
use percuss::tree::{Tree, find_checkout};
use percuss::world::fiber::{Fiber, Pause, pause};
use percuss::world::{Host, World};

/// Repetitions in one measurement: a single switch takes less than the clock can tell.
const MANY: usize = 1000;
/// Ops of a program, and the tasks that share them. One task runs the same ops, so that the ratio is the cost of
/// switching alone.
const OPS: usize = 64;
const TASKS: usize = 4;
/// Programs, and turns in which each is measured once. The least time counts, because interruptions only ever add.
const PROGRAMS: usize = 64;
const TURNS: usize = 20;
/// How many times as long as one task several tasks may take. docs/speed.md states this goal.
const GOAL: f64 = 1.3;
/// Programs of a campaign, campaigns of which the shortest counts, and how many times as fast two jobs should be as
/// one. A campaign has to be long enough that starting the workers does not matter.
const CAMPAIGN: u64 = 8192;
const ROUNDS: usize = 3;
const FASTER: f64 = 1.9;

fn main() {
    let asked = |what: &str| std::env::args().any(|a| a == what);
    let tree = find_checkout().is_some_and(|root| Tree::resolve("6.12", &root).is_ok());
    if asked("scaling") {
        return if tree { scaling() } else { eprintln!("nothing measured: no tree") };
    }
    divan::main();
    // `cargo test --benches` only asks whether everything still runs.
    match (asked("--test"), tree) {
        (true, _) => {}
        (_, true) => summary(),
        (_, false) => eprintln!("lockstep not measured: no tree"),
    }
}

/// A switch to a fiber and back again, which every turn of a task costs.
#[divan::bench]
fn switch_there_and_back(bencher: Bencher<'_, '_>) {
    let mut fiber = Fiber::new().expect("memory");
    // The fiber does nothing but hand back, so that two switches are all that is timed.
    fiber.start(|| {
        loop {
            pause(Pause::Yielded);
        }
    });
    bencher.counter(ItemsCount::new(MANY)).bench_local(|| {
        for _ in 0..MANY {
            divan::black_box(fiber.resume());
        }
    });
}

/// A scheduling point that is not the end of a turn. There are hundreds in a program, so this has to be next to free.
#[divan::bench]
fn point(bencher: Bencher<'_, '_>) {
    let host = Host::new(World::new(0).expect("memory"));
    // A turn without an end: no point is the last one, and none switches.
    host.grant(Host::NO_END);
    bencher.counter(ItemsCount::new(MANY)).bench_local(|| {
        for _ in 0..MANY {
            divan::black_box(divan::black_box(&host).pass());
        }
    });
}

/// A program's allocations, frees and work items in one task, in four that take turns op by op, and in four that are
/// preempted every few points.
fn kinds(index: u64, ops: &[Op]) -> [Program; 3] {
    let one = Program { tasks: vec![ops.to_vec()], ..Program::default() };
    let tasks: Vec<Vec<Op>> = (0..TASKS).map(|t| ops.iter().skip(t).step_by(TASKS).copied().collect()).collect();
    let schedule = (0..OPS).map(|i| Turn::op(i % TASKS)).collect();
    let turns = Program { tasks, schedule, ..Program::default() };
    // Turns of 1 to 16 points, most of them short, drawn from the index so that each run measures the same programs.
    let mut rng = Rng::new(1, index);
    let schedule = (0..OPS * 2).map(|_| Turn::points(rng.below(TASKS as u32) as usize, rng.log_range(1, 16))).collect();
    [one, turns.clone(), Program { schedule, ..turns }]
}

fn programs() -> Vec<[Program; 3]> {
    let mut generator = Generator::new(1);
    // Only ops that mean the same in every task: locks or contexts cannot be dealt out to four tasks one by one.
    let plain = |op: &Op| matches!(op, Op::Alloc { .. } | Op::Free { .. } | Op::Balance);
    let ops = |p: &Program| p.tasks.iter().flatten().filter(|op| plain(op)).copied().take(OPS).collect::<Vec<Op>>();
    let long = (0..).map(|i| (i, ops(&generator.program(i)))).filter(|(_, ops)| ops.len() == OPS);
    // Dealing ops out to tasks can break the contract. Repairing one of the three would make it another program.
    let legal = |programs: &[Program; 3]| programs.iter().all(Program::is_repaired);
    long.map(|(i, ops)| kinds(i, &ops)).filter(legal).take(PROGRAMS).collect()
}

fn image() -> Image {
    Image::build(&ImageSpec { tree: "6.12".to_owned(), ..ImageSpec::default() }).expect("an image")
}

fn scaling() {
    let image = image();
    let mut setup = image.setup(1, Oracles::default());
    setup.worker = Some(env!("CARGO_BIN_EXE_percuss").into());
    let mut least = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        // One job and two in turns, so that the machine is the same for both.
        for (jobs, least) in (1..).zip(&mut least) {
            let start = Instant::now();
            generated(&setup, Extent::Programs(CAMPAIGN), jobs, &Progress::default()).expect("workers");
            *least = start.elapsed().min(*least);
        }
    }
    let [one, two] = least.map(|t| t.as_secs_f64());
    let verdict = if one / two >= FASTER { "met" } else { "missed" };
    println!(
        "{CAMPAIGN} programs: {one:.2} s with one job, {two:.2} s with two: {:.2} x  goal {FASTER} x: {verdict}",
        one / two
    );
}

fn summary() {
    let image = image();
    let (session, facts) = image_session(&image.path, "C").expect("loads");
    let mut examiner = Examiner::new(session, facts, image.quirks, Oracles::default()).expect("memory");
    let programs = programs();
    let mut least = vec![[Duration::MAX; 3]; programs.len()];
    // In turns, so that a slow phase of the machine falls on all kinds alike and leaves the ratio as it is.
    for _ in 0..TURNS {
        for (programs, least) in programs.iter().zip(&mut least) {
            for (program, least) in programs.iter().zip(least) {
                let start = Instant::now();
                divan::black_box(examiner.examine(program).expect("memory"));
                *least = start.elapsed().min(*least);
            }
        }
    }
    let sum = |kind: usize| least.iter().map(|l| l[kind]).sum::<Duration>().as_secs_f64();
    let per_op = sum(0) / (programs.len() * OPS) as f64 * 1e6;
    println!("\nlockstep of {OPS} ops, {} programs (least of {TURNS} turns)", programs.len());
    println!("  one task                     {per_op:6.2} us an op");
    for (kind, name) in [(1, "four tasks, op by op"), (2, "four tasks, preempted")] {
        let ratio = sum(kind) / sum(0);
        let verdict = if ratio <= GOAL { "met" } else { "missed" };
        println!("  {name:28} {ratio:6.2} x  goal {GOAL} x: {verdict}");
    }
}
