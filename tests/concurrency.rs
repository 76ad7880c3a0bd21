// SPDX-License-Identifier: GPL-2.0-only
//! Findings that take several tasks: each comes with the schedule that gives it, and the schedule is minimized as well.
//!
//! A strategy decides the schedule while the program runs. Unless it is written down, the finding cannot be seen again.

mod common;

use percuss::campaign::{minimize, one, span};
use percuss::image::{Image, ImageSpec};
use percuss::judge::{Batch, Found, Like, ModelRun, Oracles};
use percuss::kernel::event::{Event, Stop};
use percuss::model::{Facts, Quirk, Quirks};
use percuss::oracle::OracleKind;
use percuss::program::{Generator, Program};
use percuss::worker::Setup;

/// Programs of one request to a worker. Large enough that starting it costs little, small enough that a search ends
/// soon after it has found something.
const STEP: u64 = 256;

fn setup(edits: &[&str], seed: u64) -> (Image, Setup) {
    let edits = edits.iter().map(|e| (*e).to_owned()).collect();
    let image = Image::build(&ImageSpec { tree: "6.12".into(), edits, ..ImageSpec::default() }).unwrap();
    let mut setup = image.setup(seed, Oracles::default());
    setup.worker = Some(env!("CARGO_BIN_EXE_percuss").into());
    // The quirks of the tree, not of a probe: an edit must not be taken for a quirk.
    setup.quirks = Quirks::v6_12();
    (image, setup)
}

fn first(setup: &Setup, wanted: impl Fn(&Found) -> bool) -> Found {
    for from in (0..20_000).step_by(STEP as usize) {
        let batch = span(setup, from, from + STEP).unwrap();
        if let Some(found) = batch.found.into_iter().find(&wanted) {
            return found;
        }
    }
    panic!("no program shows it");
}

fn shows(batch: &Batch, like: &Like) -> bool {
    batch.found.iter().any(|f| like.matches(&f.finding))
}

/// The program that comes with a finding shows it again, at the same op and in the same words, also where a strategy
/// made its schedule.
#[test]
fn programs_of_findings_replay() {
    if common::tree().is_none() {
        return;
    }
    let (_image, setup) = setup(&["B17"], 5);
    let (mut findings, mut scheduled) = (0, 0);
    for from in (0..STEP).step_by(64) {
        for found in span(&setup, from, from + 64).unwrap().found {
            let program = Program::decode(&found.program);
            scheduled += u32::from(program != Generator::new(5).program(found.index));
            findings += 1;
            let again = one(&setup, &program).unwrap();
            assert!(again.found.iter().any(|f| f.finding == found.finding), "{:?}\n{program}", found.finding);
        }
    }
    // Most programs run under their own schedule. Those under a strategy are what could fail to replay.
    assert!(findings > 20 && scheduled > 2, "{findings} findings, {scheduled} under a strategy");
}

#[test]
fn programs_that_end_their_worker_replay() {
    // A worker that crashes cannot send the schedule at the end of the program. It is known up to the crash because
    // each turn is noted as it begins.
    if common::tree().is_none() {
        return;
    }
    let (_image, setup) = setup(&["crash-null"], 1);
    let mut generator = Generator::new(1);
    let mut crashes = 0;
    for i in 0..4000 {
        let own = generator.program(i);
        // A strategy has nothing to decide with one task.
        if own.tasks.len() < 2 {
            continue;
        }
        let batch = span(&setup, i, i + 1).unwrap();
        let crash = batch.found.iter().find(|f| f.finding.oracle == OracleKind::Crash);
        let Some(found) = crash else { continue };
        let program = Program::decode(&found.program);
        // Not under a strategy, or one that decided the same.
        if program.schedule == own.schedule {
            continue;
        }
        assert!(shows(&one(&setup, &program).unwrap(), &Like::of(&found.finding)), "program {i}\n{program}");
        crashes += 1;
        if crashes == 5 {
            return;
        }
    }
    panic!("{crashes} crashes under a strategy");
}

#[test]
fn the_schedule_of_b70_is_made_small() {
    // B70 lets two tasks populate one page: one of them has to be stopped in between, so the least that shows it is two
    // tasks and one preemption.
    if common::tree().is_none() {
        return;
    }
    let (_image, edited) = setup(&["B70"], 1);
    let found = first(&edited, |f| f.finding.oracle == OracleKind::Mapping && f.finding.quirk.is_none());
    let (program, like) = (Program::decode(&found.program), Like::of(&found.finding));
    let (small, tried) = minimize(&edited, &program, &like, 3000).unwrap();
    eprintln!(
        "{}: program {}, {} of {} preemptions, {tried} tried\n{small}",
        like.title,
        found.index,
        small.preemptions(),
        program.preemptions()
    );
    assert!(shows(&one(&edited, &small).unwrap(), &like), "{small}");
    assert!(small.preemptions() == 1 && small.tasks.len() == 2, "{small}");
    assert!(small.nr_ops() < program.nr_ops() && small.schedule.len() < program.schedule.len(), "{small}");
    let (_image, base) = setup(&[], 1);
    assert!(one(&base, &small).unwrap().found.iter().all(|f| f.finding.quirk.is_some()), "{small}");
}

#[test]
fn a_mutex_that_is_kept() {
    // B71 leaves the mutex locked on a path of allocation, and the task ends with it held.
    if common::tree().is_none() {
        return;
    }
    let (_image, setup) = setup(&["B71"], 1);
    let program: Program = "task a\n x = alloc 64\ntask b\n y = alloc 64\n".parse().unwrap();
    let found = one(&setup, &program).unwrap().found;
    // The report has to name the task that never unlocks and the tasks that wait for it; a list of waiters alone does
    // not say what to look at.
    let deadlock = found.iter().find(|f| f.finding.title.contains("deadlock in")).map(|f| f.finding.detail.to_string());
    let detail = deadlock.unwrap_or_else(|| panic!("{found:#?}"));
    assert!(detail.contains("task b waits for pcpu_alloc_mutex, held by task a, which has ended"), "{detail}");
}

#[test]
fn a_loop_that_lets_others_run() {
    // The loop calls cond_resched(), so the World can switch tasks and a limit on time alone would count the others'
    // work. The limit on events ends it, whatever the others do.
    if common::tree().is_none() {
        return;
    }
    let (_image, setup) = setup(&["crash-resched"], 1);
    for schedule in ["", "schedule a b", "schedule b:4 a:50 b:1 a:9 b"] {
        let text = format!("task a\n x = alloc 240\ntask b\n y = alloc 64\n free y\n{schedule}\n");
        let found = one(&setup, &text.parse().unwrap()).unwrap().found;
        let oracle = |o| found.iter().find(|f| f.finding.oracle == o).map(|f| f.finding.title.as_str());
        assert!(oracle(OracleKind::Lockstep).is_some(), "{schedule}: {found:#?}");
        assert!(oracle(OracleKind::Crash).is_some(), "{schedule}: {found:#?}");
    }
}

/// Tasks that look for memory in turns, and find none, do not do so for ever: not where one holds the mutex that the
/// other waits for, nor where both retry.
#[test]
fn tasks_that_look_for_memory_for_ever() {
    let text = "
boot cpus=2 dyn=20K
memory free=4 reserve=2 clean=0 io=0 fs=0 oom=0 kswapd=on
task a
  x = alloc 32768 gfp GFP_KERNEL|__GFP_NOFAIL
task b
  y = alloc 32768 gfp GFP_KERNEL|__GFP_NOFAIL
";
    let with = Quirks::v6_12().with(Quirk::BackingNofail);
    for quirks in [with.with(Quirk::BackingUnderMutex), with.without(Quirk::BackingUnderMutex)] {
        let mut run = ModelRun::new(Facts::default(), quirks).unwrap();
        // One task is stopped at different depths of its search, with and without the mutex at that moment.
        for points in [1, 20, 40, 60, 80] {
            let program: Program = format!("{text}schedule a:{points} b:{points} a:3 b:50\n").parse().unwrap();
            run.run(&program).unwrap();
            let world = run.session.shared().host.world();
            assert_eq!(world.events().last(), Some(&Event::Stopped { reason: Stop::Stall }), "{program}");
        }
    }
}
