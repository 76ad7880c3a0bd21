// SPDX-License-Identifier: GPL-2.0-only
//! All schedules of small programs with at most two preemptions: image and Model agree in each.
//!
//! Random schedules find most divergences but never show that there is none. For three programs that are small enough,
//! this does.

mod common;

use percuss::image::{Image, ImageSpec};
use percuss::judge::{Examiner, Oracles, image_session};
use percuss::program::Program;
use percuss::run::strategy::Exhaustive;

/// Preemptions of a schedule. Most concurrency bugs need no more than two, and with three there are too many schedules
/// for a test.
const PREEMPTIONS: u32 = 2;

/// Runs every schedule of a program of corpora/exhaustive on an image and the Model, and returns how many there are.
/// Panics at a finding without a quirk.
fn all(tree: &str, name: &str) -> u64 {
    let image = Image::build(&ImageSpec { tree: tree.into(), ..ImageSpec::default() }).unwrap();
    let (session, facts) = image_session(&image.path, "C").unwrap();
    let mut examiner = Examiner::new(session, facts, image.quirks, Oracles::default()).unwrap();
    let path = common::checkout().join(format!("corpora/exhaustive/{name}.percuss"));
    let program: Program = std::fs::read_to_string(path).unwrap().parse().unwrap();
    let mut strategy = Exhaustive::new(PREEMPTIONS);
    while strategy.next_run() {
        let (verdict, recorded) = examiner.examine_under(&program, &mut strategy).unwrap();
        let new: Vec<_> = verdict.findings.iter().filter(|f| f.quirk.is_none()).collect();
        assert!(new.is_empty(), "{tree}: {new:#?}\n{recorded}");
    }
    eprintln!("{name} on {tree}: {} schedules with at most {PREEMPTIONS} preemptions", strategy.runs());
    strategy.runs()
}

/// Asserts agreement, and the number of schedules on each tree. The number is pinned because it follows from the
/// scheduling points: one point more or fewer changes what is explored, and must be noticed.
fn agree(name: &str, schedules: [(&str, u64); 2]) {
    if common::has_trees() {
        schedules.iter().for_each(|(tree, nr)| assert_eq!(all(tree, name), *nr, "{name} on {tree}"));
    }
}

#[test]
fn populating() {
    agree("populate", [("6.12", 4110), ("6.1", 4110)]);
}

#[test]
fn atomic_callers() {
    // 6.1 has fewer points on the path of atomic callers.
    agree("atomic", [("6.12", 6389), ("6.1", 5918)]);
}

#[test]
fn a_killed_waiter() {
    agree("killed", [("6.12", 3903), ("6.1", 3903)]);
}
