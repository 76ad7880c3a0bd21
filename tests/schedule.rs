// SPDX-License-Identifier: GPL-2.0-only
//! Schedules: the same input gives the same events, strategies and Model agree, and a wait that never ends is a
//! finding.
//!
//! All of percuss rests on this. If a program did not decide its run, no finding could be replayed, minimized or
//! bisected.

mod common;

use percuss::campaign::{Extent, Progress, generated, one};
use percuss::image::{Config, Image, ImageSpec};
use percuss::judge::{Examiner, ModelRun, Oracles, image_session};
use percuss::kernel::Tenant;
use percuss::kernel::event::Event;
use percuss::oracle::OracleKind;
use percuss::program::{Generator, Program};
use percuss::run::strategy::{Pct, Random, Strategy};
use percuss::run::{Session, Unwatched};

fn image(tree: &str) -> Image {
    Image::build(&ImageSpec { tree: tree.into(), config: Config::default(), ..ImageSpec::default() }).unwrap()
}

fn examiner(image: &Image) -> Examiner {
    let (session, facts) = image_session(&image.path, "C").unwrap();
    Examiner::new(session, facts, image.quirks, Oracles::default()).unwrap()
}

fn several(seed: u64) -> impl Iterator<Item = (u64, Program)> {
    let mut generator = Generator::new(seed);
    (0..).map(move |i| (i, generator.program(i))).filter(|(_, p)| p.tasks.len() > 1)
}

fn events<T: Tenant + 'static>(session: &mut Session<T>, program: &Program) -> Vec<Event> {
    session.run(program, &mut Unwatched).unwrap();
    session.shared().host.world().events().to_vec()
}

/// Runs programs with several tasks in two sessions of the image and on the Model, and asserts that all three give the
/// same events and end with the same turns.
fn twice(programs: usize) {
    if !common::has_trees() {
        return;
    }
    let image = image("6.12");
    let mut first = image_session(&image.path, "C").unwrap();
    let mut second = image_session(&image.path, "C").unwrap().0;
    let mut model = ModelRun::new(first.1, image.quirks).unwrap().session;
    let mut preempted = 0;
    for (i, program) in several(2).take(programs) {
        let once = events(&mut first.0, &program);
        assert_eq!(events(&mut second, &program), once, "program {i}");
        assert_eq!(events(&mut model, &program), once, "program {i}");
        assert_eq!(second.turns(), first.0.turns(), "program {i}");
        preempted += usize::from(program.preemptions() > 0);
    }
    // Without preemptions every schedule is trivially the same.
    assert!(preempted > programs / 2, "{preempted} programs with preemptions");
}

#[test]
fn twice_gives_the_same_events_and_the_model_the_same() {
    twice(400);
}

#[test]
#[ignore = "takes minutes"]
fn twice_gives_the_same_events_ten_thousand_times() {
    twice(10_000);
}

/// Asserts that a campaign with two workers gives what one with a single worker gives: batches come back in any order,
/// and each worker has run other programs before.
fn jobs(programs: u64) {
    if !common::has_trees() {
        return;
    }
    let image = image("6.12");
    let mut setup = image.setup(3, Oracles::default());
    setup.worker = Some(env!("CARGO_BIN_EXE_percuss").into());
    let with = |jobs| generated(&setup, Extent::Programs(programs), jobs, &Progress::default()).unwrap();
    let one = with(1);
    assert_eq!((one.programs, one.hung), (programs, 0));
    assert_eq!(with(2), one);
}

#[test]
fn jobs_do_not_matter() {
    jobs(400);
}

#[test]
#[ignore = "takes minutes"]
fn jobs_do_not_matter_to_ten_thousand() {
    jobs(10_000);
}

#[test]
fn strategies_agree_and_their_runs_replay() {
    if !common::has_trees() {
        return;
    }
    for tree in common::TREES {
        let image = image(tree);
        let mut examiner = examiner(&image);
        for (i, program) in several(4).take(60) {
            let strategies: [&mut dyn Strategy; 2] = [&mut Random::new(i), &mut Pct::new(i, 3, 500)];
            for strategy in strategies {
                let (verdict, recorded) = examiner.examine_under(&program, strategy).unwrap();
                let new: Vec<_> = verdict.findings.iter().filter(|f| f.quirk.is_none()).collect();
                assert!(new.is_empty(), "{tree}, program {i}: {new:#?}\n{recorded}");
                let events = examiner.image_ref().shared().host.world().events().to_vec();
                let again = examiner.examine(&Program::decode(&recorded.encode())).unwrap();
                assert_eq!(again.findings, verdict.findings, "{tree}, program {i}");
                assert_eq!(examiner.image_ref().shared().host.world().events(), events, "{tree}, program {i}");
            }
        }
    }
}

#[test]
fn a_deadlock_is_a_finding_that_names_the_holders() {
    // Nothing runs any more, so the campaign has to notice by itself. `unsafe-caller` since the contract forbids both
    // programs.
    if !common::has_trees() {
        return;
    }
    let image = image("6.12");
    let setup = image.setup(1, Oracles::default());
    let mut setup = setup;
    setup.worker = Some(env!("CARGO_BIN_EXE_percuss").into());
    let deadlock = |text: &str| {
        let batch = one(&setup, &text.parse().unwrap()).unwrap();
        let found = batch.found.into_iter().map(|f| f.finding);
        let mut found = found.filter(|f| f.oracle == OracleKind::LockOrder && f.title.contains("deadlock in"));
        found.next().unwrap_or_else(|| panic!("no deadlock in {text}")).detail.to_string()
    };
    let crossed = "unsafe-caller\ntask a\nlock fs\nlock io\ntask b\nlock io\nlock fs\nschedule a b\n";
    let text = deadlock(crossed);
    assert!(text.contains("task a waits for io, held by task b, which waits for fs, held by task a"), "{text}");
    let kept = "unsafe-caller\ntask a\nlock fs\ntask b\nlock fs\n";
    let text = deadlock(kept);
    assert!(text.contains("task b waits for fs, held by task a, which has ended"), "{text}");
}
