// SPDX-License-Identifier: GPL-2.0-only
//! Conflicts of locks that take several programs: each comes out as one program that shows it alone.
//!
//! lockdep in a kernel joins what it saw since boot. Programs of a campaign are separate boots, so the graph over all
//! of them finds the conflict and a program is composed of those that contributed to it.

mod common;

use percuss::campaign::{compose, listed, minimize, one};
use percuss::image::{Image, ImageSpec};
use percuss::judge::{Batch, Found, Like, Oracles};
use percuss::model::Quirk;
use percuss::oracle::OracleKind;
use percuss::program::Program;
use percuss::worker::Setup;

/// A NOFS caller under a file system's lock, which finds populated room.
const UNDER_FS: &str = "task a\nlock fs\nx = alloc 64 gfp GFP_NOFS\nunlock fs\n";
/// A caller that may reclaim, and needs a chunk.
const NEEDS_A_CHUNK: &str = "boot cpus=2\ntask a\nx = alloc 32768\ny = alloc 8\nfree y\n";

fn build(edits: &[&str], variant: Option<&str>) -> (Image, Setup) {
    let edits = edits.iter().map(|e| (*e).to_owned()).collect();
    let variant = variant.map(str::to_owned);
    let image = Image::build(&ImageSpec { tree: "6.12".into(), edits, variant, ..ImageSpec::default() }).unwrap();
    let mut setup = image.setup(1, Oracles::default());
    setup.worker = Some(env!("CARGO_BIN_EXE_percuss").into());
    (image, setup)
}

fn programs(texts: &[&str]) -> Vec<Program> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn orders(batch: &Batch) -> Vec<&str> {
    let of = batch.found.iter().filter(|f| f.finding.oracle == OracleKind::LockOrder);
    of.map(|f| f.finding.title.as_str()).collect()
}

/// Runs the programs, asserts that none of them shows a conflict by itself, and returns what can be composed of the
/// orders that they show together.
fn composed(setup: &Setup, texts: &[&str]) -> Vec<Found> {
    let programs = programs(texts);
    let batch = listed(setup, 0, &programs).unwrap();
    assert_eq!(orders(&batch), Vec::<&str>::new(), "by one program alone");
    compose(setup, &batch.order, &|index| Ok(programs[index as usize].clone()), &|_| true).unwrap()
}

/// Asserts that the composed program keeps the contract of callers, shows the finding by itself, and still does when it
/// is minimized to at most `most` ops, which is returned.
#[track_caller]
fn shows_alone(setup: &Setup, found: &Found, most: usize) -> Program {
    let program = Program::decode(&found.program);
    assert!(program.violations().is_empty(), "{program}");
    let like = Like::of(&found.finding);
    let (small, _) = minimize(setup, &program, &like, 1000).unwrap();
    for program in [&program, &small] {
        assert!(one(setup, program).unwrap().found.iter().any(|f| like.matches(&f.finding)), "{program}");
    }
    assert!(small.nr_ops() <= most, "{small}");
    small
}

#[test]
fn the_live_cycle_of_two_programs() {
    if common::tree().is_none() {
        return;
    }
    let (_image, setup) = build(&[], None);
    let found = composed(&setup, &[UNDER_FS, NEEDS_A_CHUNK]);
    let [cycle] = &found[..] else { panic!("{found:#?}") };
    let title = "WARNING: possible circular locking dependency detected: fs_lock --> pcpu_alloc_mutex --> fs_reclaim";
    assert_eq!(cycle.finding.title, title);
    assert!([Quirk::B04, Quirk::B06].contains(&cycle.finding.quirk.unwrap()), "known: {:?}", cycle.finding.quirk);
    let parts = cycle.composed.as_ref().unwrap();
    assert_eq!((&parts.programs[..], parts.whole, cycle.count), (&[0, 1][..], true, 0));
    for line in ["-> #2 (pcpu_alloc_mutex)", "which lock already depends on the new lock.", "*** DEADLOCK ***"] {
        assert!(cycle.finding.detail.to_string().contains(line), "{}", cycle.finding.detail);
    }
    shows_alone(&setup, cycle, 4);
    // Which of the two came first does not matter.
    assert_eq!(composed(&setup, &[NEEDS_A_CHUNK, UNDER_FS])[0].finding.title, title);
    // With the masks of v4 there is no cycle to be put together.
    // Otherwise composing could put together a cycle that the tree does not have.
    let (_image, v4) = build(&[], Some("v4"));
    assert_eq!(composed(&v4, &[UNDER_FS, NEEDS_A_CHUNK]), []);
}

#[test]
fn two_orders_in_two_programs() {
    if common::tree().is_none() {
        return;
    }
    let (_image, setup) = build(&["locks-cross"], None);
    let reserved = "boot reserved=8K\ntask a\nx = alloc 64 reserved\nfree x\n";
    let aligned = "boot cpus=2\ntask a\nx = alloc 64 align 4096\nfree x\ntask b\ny = alloc 8\n";
    let found = composed(&setup, &[reserved, aligned]);
    let [cycle] = &found[..] else { panic!("{found:#?}") };
    let title = "WARNING: possible circular locking dependency detected: lock 0 --> pcpu_alloc_mutex";
    assert_eq!((cycle.finding.title.as_str(), cycle.finding.quirk), (title, None));
    shows_alone(&setup, cycle, 2);
}

#[test]
fn an_interrupt_and_its_task_in_two_programs() {
    // One program takes the lock in an interrupt, the other takes it with interrupts on: each is fine as long as the
    // other does not exist.
    if common::tree().is_none() {
        return;
    }
    let (_image, setup) = build(&["irq-unsafe-lock"], None);
    let within = "task a\nx = alloc 8\ninterrupt hard\nfree x\ninterrupt-end\n";
    let found = composed(&setup, &[within, "task a\nx = alloc 64\nfree x\n"]);
    let [conflict] = &found[..] else { panic!("{found:#?}") };
    let title = "WARNING: inconsistent lock state: lock 0 {IN-HARDIRQ-W} -> {HARDIRQ-ON-W}";
    assert_eq!((conflict.finding.title.as_str(), conflict.finding.quirk), (title, None));
    shows_alone(&setup, conflict, 5);
}

#[test]
fn what_cannot_be_put_together_is_reported_in_parts() {
    // A conflict is real even when no composed program shows it, so it must not be dropped: it is reported with its
    // parts.
    if common::tree().is_none() {
        return;
    }
    let (_image, setup) = build(&[], None);
    let programs = programs(&[UNDER_FS, NEEDS_A_CHUNK]);
    let batch = listed(&setup, 0, &programs).unwrap();
    // The reader of the report does not have program 1.
    let lost = |index: u64| Ok(if index == 0 { programs[0].clone() } else { Program::default() });
    let found = compose(&setup, &batch.order, &lost, &|_| true).unwrap();
    let [cycle] = &found[..] else { panic!("{found:#?}") };
    assert!(!cycle.composed.as_ref().unwrap().whole);
    assert_eq!(cycle.finding.quirk, None);
    let report = cycle.finding.detail.to_string();
    for part in [
        "no program was found that shows it alone",
        "\nfs_lock -> pcpu_alloc_mutex: mutex_lock",
        "\npcpu_alloc_mutex -> fs_reclaim: ",
        " align 8 gfp GFP_NOFS\n",
        "\nfs_reclaim -> fs_lock: declared\n",
    ] {
        assert!(report.contains(part), "{part:?} in {report}");
    }
}
