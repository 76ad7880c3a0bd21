// SPDX-License-Identifier: GPL-2.0-only
//! Generated programs: the same for ever, legal, long enough, and on every machine.

use super::super::axes::{AXES, AxisShares, axes};
use super::super::{Generator, Op, Program, TABLE};
use percuss_kernel::limits;

const PROGRAMS: u64 = 2000;

fn programs(seed: u64) -> impl Iterator<Item = Program> {
    let mut generator = Generator::new(seed);
    (0..PROGRAMS).map(move |i| generator.program(i))
}

#[test]
fn any_worker_makes_any_index() {
    let all: Vec<Program> = programs(5).collect();
    // Backwards and with gaps, as workers that share a campaign ask.
    for i in (0..PROGRAMS).rev().step_by(37) {
        assert_eq!(Generator::new(5).program(i), all[i as usize]);
    }
    assert_ne!(Generator::new(6).program(0), all[0]);
}

#[test]
fn programs_are_legal_and_have_all_forms() {
    for program in programs(2) {
        assert!(program.is_repaired() && program.violations().is_empty());
        assert_eq!(Program::decode(&program.encode()), program);
        assert_eq!(program.to_string().parse().as_ref(), Ok(&program));
    }
}

#[test]
fn programs_are_as_long_as_promised() {
    let lengths: Vec<usize> = programs(1).map(|p| p.nr_ops()).collect();
    let mean = lengths.iter().sum::<usize>() / lengths.len();
    // Speeds in programs per second are comparable only as long as programs are about as long.
    assert!((100..130).contains(&mean), "mean {mean}");
    assert!(lengths.iter().all(|n| (8..=420).contains(n)));
}

#[test]
fn as_many_tasks_as_asked_for() {
    let of = |tasks, n| Generator::new(5).with_tasks(tasks).program(n).tasks.len();
    for n in 0..200 {
        assert_eq!(Generator::new(5).with_tasks(0).program(n), Generator::new(5).program(n));
        assert!((2..=4).contains(&of(2, n)), "as without, but for those of one task");
        assert_eq!(of(9, n), 9);
        assert_eq!(of(usize::MAX, n), limits::TASKS);
    }
}

#[test]
fn every_axis_has_its_shares() {
    for seed in [1, 2, 0xdead_beef] {
        // Two halves, merged, as two workers count.
        let (mut even, mut odd) = (AxisShares::default(), AxisShares::default());
        for (i, program) in programs(seed).enumerate() {
            if i % 2 == 0 { even.count(&program.boot) } else { odd.count(&program.boot) }
        }
        odd.merge(&even);
        assert_eq!(odd.programs(), PROGRAMS);
        assert!(odd.missing().is_empty(), "{:?}\n{odd}", odd.missing());
        assert!(odd.rows().all(|row| row.1 != "other"), "{odd}");
    }
}

#[test]
fn axes_are_listed() {
    let of_default = axes(&Default::default());
    assert!(of_default.iter().zip(AXES).all(|(a, axis)| a.0 == axis.name && axis.values.iter().any(|v| v.0 == a.1)));
}

#[test]
fn mixes_are_realistic() {
    let (mut seen, mut small, mut allocs, mut faults, mut tasks) = (vec![0; TABLE.len()], 0, 0, 0, 0);
    for program in programs(1) {
        faults += u64::from(!program.faults.is_empty());
        tasks += u64::from(program.tasks.len() > 1);
        for op in program.tasks.iter().flatten() {
            seen[op.row()] += 1;
            if let Op::Alloc { size, .. } = op {
                allocs += 1;
                small += u64::from((1..=256).contains(size));
            }
        }
    }
    let drawn = |(row, n): (usize, &u64)| TABLE[row].weight == 0 || *n > 50;
    assert!(seen.iter().enumerate().all(drawn), "{seen:?}");
    assert!(small * 100 > allocs * 50, "{small} of {allocs} allocations are small");
    assert!((20..35).contains(&(faults * 100 / PROGRAMS)), "{faults} programs with faults");
    assert!(tasks * 100 > PROGRAMS * 30);
    // Areas are freed about as often as not.
    let ratio = seen[1] * 100 / seen[0];
    assert!((30..100).contains(&ratio), "{ratio} frees for 100 allocations");
}
