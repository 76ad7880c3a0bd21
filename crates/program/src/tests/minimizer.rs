// SPDX-License-Identifier: GPL-2.0-only
//! Minimizing, with predicates that stand for findings.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use proptest::prelude::*;

use super::super::{Generator, Op, Program, minimize};
use super::any_repaired;
use percuss_kernel::event::Site;
use percuss_kernel::gfp::Gfp;

/// The first generated program that a predicate holds for.
fn find(keep: impl Fn(&Program) -> bool) -> Program {
    let mut generator = Generator::new(9);
    (0..5000).map(|i| generator.program(i)).find(|p| p.nr_ops() > 60 && keep(p)).expect("some program has it")
}

/// Ops in task order.
fn ops(p: &Program) -> impl Iterator<Item = &Op> {
    p.tasks.iter().flatten()
}

#[test]
fn one_large_atomic_allocation() {
    let keep = |p: &Program| {
        ops(p).any(|op| matches!(op, Op::Alloc { size, gfp, .. } if *size > 4096 && !gfp.allows_blocking()))
    };
    let result = minimize(find(keep), keep, 10_000);
    assert!(result.minimal && keep(&result.program));
    insta::assert_snapshot!(result.program, @"
    boot cpus=1 groups=1 static=8K reserved=0 dyn=20K atom=2M first=embed kmem=on pages=4096
    task a
      v0 = alloc 8192 align 8 gfp GFP_NOWAIT
    ");
}

#[test]
fn a_free_between_two_allocations() {
    let keep = |p: &Program| {
        let mut rest = ops(p);
        rest.any(|op| matches!(op, Op::Alloc { size: 2000.., gfp, .. } if gfp.intersects(Gfp::FS)))
            && rest.any(|op| matches!(op, Op::Free { .. }))
            && rest.any(|op| matches!(op, Op::Alloc { size: 1..=100, .. }))
            && p.boot.nr_cpus() >= 3
            && p.faults.iter().any(|f| f.site == Site::Pages)
    };
    let program = find(keep);
    let result = minimize(program.clone(), keep, 10_000);
    assert!(result.minimal);
    insta::assert_snapshot!(result.program, @"
    boot cpus=3 groups=1 static=8K reserved=0 dyn=20K atom=2M first=embed kmem=on pages=4096
    task a
      v0 = alloc 2048 align 8 gfp GFP_KERNEL
      free v1
      v2 = alloc 1 align 8 gfp GFP_KERNEL
    fault pages nth=1
    ");
    assert_eq!(minimize(program, keep, 10_000).program, result.program, "deterministic");
}

#[test]
fn two_tasks_that_must_alternate() {
    let keep = |p: &Program| {
        p.tasks.len() >= 2 && p.schedule.windows(3).any(|w| w[0] != w[1] && w[1] != w[2]) && ops(p).count() >= 3
    };
    let result = minimize(find(keep), keep, 20_000);
    assert!(result.program.tasks.len() == 2 && result.program.schedule.len() == 3, "{}", result.program);
    // Two pairs of ops that only go together leave four.
    assert!(result.program.nr_ops() <= 4, "{}", result.program);
}

#[test]
fn sections_go_as_a_whole() {
    let keep = |p: &Program| ops(p).filter(|op| matches!(op, Op::Balance)).count() >= 2;
    let result = minimize(find(|p| keep(p) && ops(p).any(|op| matches!(op, Op::IrqOff))), keep, 20_000);
    assert_eq!(ops(&result.program).collect::<Vec<_>>(), [&Op::Balance; 2]);
    assert_eq!(result.program.boot.nr_cpus(), 1);
}

#[test]
fn the_budget_is_kept() {
    let mut asked = 0;
    let program = find(|_| true);
    let result = minimize(
        program,
        |p| {
            asked += 1;
            p.nr_ops() > 5
        },
        17,
    );
    assert!(result.tries <= 17 && !result.minimal && result.program.nr_ops() > 5);
    assert_eq!(asked, result.tries);
}

#[test]
fn callers_stay_unsafe_and_results_legal() {
    let program: Program =
        "unsafe-caller\ntask a\n balance\n atomic-begin\n nr-pages\n x = alloc 64\n balance\n".parse().unwrap();
    let keep = |p: &Program| p.violations().iter().any(|v| v.rule.number == 1);
    let result = minimize(program, keep, 1000);
    insta::assert_snapshot!(result.program, @"
    boot cpus=1 groups=1 static=8K reserved=0 dyn=20K atom=2M first=embed kmem=on pages=4096
    unsafe-caller
    task a
      atomic-begin
      v0 = alloc 1 align 8 gfp GFP_KERNEL
    ");

    let program = find(|p| p.nr_ops() > 200);
    minimize(
        program,
        |p| {
            assert!(p.violations().is_empty() && p.is_repaired());
            p.nr_ops() % 3 != 1
        },
        2000,
    );
}

#[test]
fn preemptions_go_before_all_else() {
    let stopped = |p: &Program| p.schedule.windows(2).any(|w| w[0].points >= 5 && w[1].lane != w[0].lane);
    let keep = |p: &Program| p.tasks.len() >= 2 && stopped(p);
    let program = find(|p| keep(p) && p.preemptions() > 20);
    let small = minimize(program, keep, 20_000).program;
    let turns: Vec<String> = small.schedule.iter().map(|t| t.to_string()).collect();
    assert_eq!(turns, ["a:5", "b"], "{small}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is to be kept.
    #[test]
    fn never_more_preemptions(program in any_repaired(), preempted in any::<bool>()) {
        // A predicate without any structure, as unfriendly to a search as a finding can be.
        let hash = |p: &Program| BuildHasherDefault::<DefaultHasher>::default().hash_one(p.encode()) % 3;
        let other = (hash(&program) + 1) % 3;
        let had = program.preemptions();
        let keep = |p: &Program| hash(p) != other && (!preempted || p.preemptions() >= had.min(2));
        prop_assert!(keep(&program));
        let small = minimize(program, keep, 2000).program;
        prop_assert!(keep(&small), "{}", small);
        prop_assert!(small.preemptions() <= had, "{} of {}", small.preemptions(), had);
    }
}
