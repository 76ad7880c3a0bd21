// SPDX-License-Identifier: GPL-2.0-only
//! Strategies on Models: what they choose replays, and what they cover.

use std::collections::HashSet;

use percuss_engine::judge::ModelRun;
use percuss_kernel::event::{Event, Stop};
use percuss_kernel::limits;
use percuss_model::{Facts, Quirks};
use percuss_program::{Generator, Program, Turn};
use percuss_run::strategy::{Aligned, Exhaustive, Pct, Random, Strategy};
use percuss_run::{Ended, Ready, Unwatched};

fn model() -> ModelRun {
    ModelRun::new(Facts::default(), Quirks::v6_12()).unwrap()
}

fn events(run: &ModelRun) -> Vec<Event> {
    run.session.shared().host.world().events().to_vec()
}

/// Runs under a strategy; the events, and the program with what was recorded.
fn under(run: &mut ModelRun, program: &Program, strategy: &mut dyn Strategy) -> (Vec<Event>, Program) {
    run.session.run_under(program, strategy, &mut Unwatched).unwrap();
    let schedule = run.session.turns().to_vec();
    (events(run), Program { schedule, ..program.clone() })
}

fn replays(run: &mut ModelRun, program: &Program, strategy: &mut dyn Strategy, what: &str) {
    let (first, recorded) = under(run, program, strategy);
    // Through the byte form, since that is how a finding's program is stored.
    let recorded = Program::decode(&recorded.encode());
    run.session.run(&recorded, &mut Unwatched).unwrap();
    assert_eq!(events(run), first, "{what}\n{recorded}");
    assert_eq!(run.session.turns(), recorded.schedule, "{what}: recording a replay gives what was replayed");
}

#[test]
fn what_is_recorded_replays() {
    let (mut run, mut generator) = (model(), Generator::new(3));
    // One task leaves a strategy nothing to choose.
    let mut several = (0..).map(|i| (i, generator.program(i))).filter(|(_, p)| p.tasks.len() > 1);
    for (i, program) in several.by_ref().take(150) {
        replays(&mut run, &program, &mut Random::new(i), &format!("random, program {i}"));
        replays(&mut run, &program, &mut Pct::new(i, 3, 400), &format!("pct, program {i}"));
    }
}

/// Never the same lane twice.
struct Alternate(usize);

impl Strategy for Alternate {
    fn next(&mut self, ready: Ready) -> Option<Turn> {
        self.0 = ready.lanes().find(|lane| *lane != self.0).or(ready.lanes().next())?;
        Some(Turn::points(self.0, 1))
    }
}

/// A run with more turns than a program has room for is recorded as far as there is room, and goes on as its replay does.
#[test]
fn a_run_longer_than_a_schedule_replays() {
    // Each op passes several points, and every point ends a turn.
    let ops = "x = alloc 64\nfree x\n".repeat(4000);
    let text = format!("task a\n{ops}task b\n{}", ops.replace('x', "y"));
    let program = text.parse::<Program>().unwrap();
    let mut run = model();
    let (_, recorded) = under(&mut run, &program, &mut Alternate(0));
    assert_eq!(recorded.schedule.len(), limits::SCHEDULE, "it is to be longer than that");
    replays(&mut run, &program, &mut Alternate(0), "alternating");
}

const TWO: &str = "
task a
  x = alloc 4096
  free x
task b
  y = alloc 64
  balance
";

#[test]
fn exhaustive_takes_every_schedule_once() {
    let (mut run, program) = (model(), TWO.parse::<Program>().unwrap());
    let mut counts = Vec::new();
    // Each further preemption multiplies the schedules, and the time that they take.
    for preemptions in 0..=2 {
        let mut strategy = Exhaustive::new(preemptions);
        let mut seen = HashSet::new();
        while strategy.next_run() {
            let (_, recorded) = under(&mut run, &program, &mut strategy);
            assert!(seen.insert(recorded.schedule.clone()), "twice: {recorded}");
        }
        assert_eq!(strategy.runs(), seen.len() as u64);
        counts.push(seen.len());
    }
    assert_eq!(counts[0], 2, "one task, then the other");
    // The numbers themselves depend on how many points an op has, which a new service may change.
    assert!(counts[1] > 2 * counts[0] && counts[2] > 2 * counts[1], "{counts:?}");
}

/// The schedules of a program that end in a deadlock are found, and say so.
#[test]
fn exhaustive_finds_a_deadlock() {
    let text = "unsafe-caller\ntask a\nlock fs\nlock io\nunlock io\nunlock fs\ntask b\nlock io\nlock fs\nunlock fs\nunlock io\n";
    let (mut run, program) = (model(), text.parse::<Program>().unwrap());
    // One preemption is enough: the first task stops with one of the locks.
    let mut strategy = Exhaustive::new(1);
    let mut deadlocks = Vec::new();
    while strategy.next_run() {
        let (events, recorded) = under(&mut run, &program, &mut strategy);
        if events.ends_with(&[Event::Stopped { reason: Stop::Deadlock }]) {
            let world = run.session.shared().host.world();
            deadlocks.push((recorded, world.log().text_of(events.len() - 1).unwrap().to_owned()));
        }
    }
    let (program, text) = &deadlocks[0];
    assert_eq!(
        text,
        "task a waits for io, held by task b, which waits for fs, held by task a; \
         task b waits for fs, held by task a, which waits for io, held by task b"
    );
    assert_eq!(run.session.run(program, &mut Unwatched).unwrap(), Ended::Stopped);
}

/// Without kswapd's turns in the record a replay would run it as soon as it is awake.
#[test]
fn kswapd_is_recorded_like_any_lane() {
    // With so little free memory the first allocation wakes kswapd.
    let text = "memory free=4 reserve=2 clean=64\ntask a\nx = alloc 32768\nfree x\ntask b\ny = alloc 32768\n";
    let (mut run, program) = (model(), text.parse::<Program>().unwrap());
    for seed in 0..20 {
        replays(&mut run, &program, &mut Random::new(seed), "random");
        assert!(run.session.turns().iter().any(|t| t.lane == Turn::KSWAPD), "seed {seed}");
    }
}

/// Where the points are the same, turns found by op are the turns.
#[test]
fn aligned_with_itself_is_the_same_run() {
    let (mut run, mut generator) = (model(), Generator::new(5));
    let several = (0..).map(|i| (i, generator.program(i))).filter(|(_, p)| p.tasks.len() > 1 && p.preemptions() > 0);
    for (i, program) in several.take(300) {
        run.session.run(&program, &mut Unwatched).unwrap();
        let (first, trail) = (events(&run), run.session.trail().to_vec());
        run.session.run_under(&program, &mut Aligned::new(&trail), &mut Unwatched).unwrap();
        let again = events(&run);
        let differs = first.iter().zip(&again).position(|(a, b)| a != b);
        // The whole logs would be too long to read in a failure.
        let around = differs.map(|at| (at, &first[at.saturating_sub(5)..=at], again[at]));
        assert!(differs.is_none() && first.len() == again.len(), "program {i}: {around:#?}");
    }
}

/// Said by op, turns stop the lanes at the same places.
#[test]
fn by_op_is_the_same_run() {
    let (mut run, mut generator) = (model(), Generator::new(6));
    let several = (0..).map(|i| generator.program(i)).filter(|p| p.tasks.len() > 1 && p.preemptions() > 0);
    let (mut same, mut fewer) = (0, 0);
    for program in several.filter(|p| p.memory.is_none()).take(500) {
        run.session.run(&program, &mut Unwatched).unwrap();
        let first: Vec<Event> = events(&run);
        let mut by_op = Program { schedule: percuss_run::by_op(run.session.trail()), ..program.clone() };
        by_op.repair();
        assert!(by_op.preemptions() <= program.preemptions(), "{program}");
        run.session.run(&by_op, &mut Unwatched).unwrap();
        // Switches differ where a lane takes two turns in a row.
        let of_tenant = |events: &[Event]| -> Vec<Event> {
            events.iter().filter(|e| !matches!(e, Event::Switch { .. })).copied().collect()
        };
        same += u32::from(of_tenant(&first) == of_tenant(&events(&run)));
        fewer += u32::from(by_op.preemptions() < program.preemptions());
    }
    assert!(same == 500 && fewer > 400, "{same} of 500 the same, {fewer} with fewer preemptions");
}

const WITH_HANDLERS: &str = "
task a
  x = alloc 4096
  free x
  irq-off
  z = alloc 64 gfp GFP_ATOMIC
  irq-on
task b
  y = alloc 64
  balance
handler hard
  v = alloc 16 gfp GFP_ATOMIC
  free v
handler soft
  w = alloc 32 gfp GFP_ATOMIC
";

/// Strategies fire the handlers that a program declares, each of them, wherever one can start: a turn of the record is
/// never one that is lost, and the record replays.
#[test]
fn strategies_fire_handlers() {
    let (mut run, program) = (model(), WITH_HANDLERS.parse::<Program>().unwrap());
    let mut fired = [[0; 2]; 2];
    for seed in 0..50 {
        // Both kinds of strategy choose handlers by code of their own.
        let strategies: [&mut dyn Strategy; 2] = [&mut Random::new(seed), &mut Pct::new(seed, 2, 60)];
        for (kind, strategy) in strategies.into_iter().enumerate() {
            let (events, recorded) = under(&mut run, &program, strategy);
            let started = events.iter().filter(|e| matches!(e, Event::Interrupt { enter: true, .. })).count();
            let turns: Vec<usize> = recorded.schedule.iter().filter_map(|t| t.fires()).collect();
            assert_eq!(started, turns.len(), "{recorded}");
            turns.into_iter().for_each(|handler| fired[kind][handler] += 1);
            run.session.run(&recorded, &mut Unwatched).unwrap();
            assert_eq!(self::events(&run), events, "{recorded}");
        }
    }
    // Far fewer than there are seeds, so that another random number generator would pass as well.
    assert!(fired.iter().flatten().all(|n| *n >= 5), "{fired:?}");
}
