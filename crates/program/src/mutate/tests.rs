// SPDX-License-Identifier: GPL-2.0-only
//! Mutated programs are programs, fit, are the same again for a seed, and every kind of mutation changes something.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::Generator;
use super::super::bytes::RECORD_HEADER;
use super::super::rng::Rng;
use super::*;

const FOCI: [Focus; 4] = [Focus::Ops, Focus::Machine, Focus::Pressure, Focus::Schedule];

/// Mutates with the fuzzer's own mutations played by an inverted byte.
fn mutated(bytes: &[u8], max: usize, seed: u32, focus: Focus) -> Vec<u8> {
    let mut data = bytes.to_vec();
    // A fuzzer's buffer has room after the input, with anything in it.
    data.resize(bytes.len().max(max), 0xee);
    let plain = |data: &mut [u8], size: usize, max: usize| {
        let size = size.min(max);
        data[..size].iter_mut().take(1).for_each(|b| *b = !*b);
        size
    };
    let size = mutate((&mut data, bytes.len(), max), seed, focus, Program::repair, plain);
    data.truncate(size);
    data
}

fn crossed(a: &[u8], b: &[u8], max: usize, seed: u32) -> Vec<u8> {
    let mut out = vec![0; max];
    let size = crossover([a, b].map(Program::decode), &mut out, seed, Program::repair);
    out.truncate(size);
    out
}

/// What was not cut at a limit is the byte form of a program that may run.
fn is_a_program(bytes: &[u8], max: usize) {
    assert!(bytes.len() <= max, "{} of {max}", bytes.len());
    let program = Program::decode(bytes);
    assert!(program.is_repaired());
    assert!(program.unsafe_caller || program.violations().is_empty());
}

proptest! {
    #[test]
    fn any_bytes_become_a_program_that_fits(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
        max in 0..700usize,
        seed in any::<u32>(),
        focus in 0..FOCI.len(),
    ) {
        let out = mutated(&bytes, max, seed, FOCI[focus]);
        is_a_program(&out, max);
        prop_assert_eq!(mutated(&bytes, max, seed, FOCI[focus]), out);
    }

    #[test]
    fn any_two_cross(
        a in proptest::collection::vec(any::<u8>(), 0..400),
        b in proptest::collection::vec(any::<u8>(), 0..400),
        max in 0..500usize,
        seed in any::<u32>(),
    ) {
        let out = crossed(&a, &b, max, seed);
        is_a_program(&out, max);
        prop_assert_eq!(crossed(&a, &b, max, seed), out);
    }
}

/// Where there is room, nothing is cut: bytes and program are two forms of one thing.
#[test]
fn mutated_programs_are_in_their_written_form() {
    for i in 0..300 {
        let bytes = Generator::new(9).program(i).encode();
        for (seed, focus) in (0..8).flat_map(|seed| FOCI.map(|focus| (seed, focus))) {
            if Rng::new(seed.into(), bytes.len() as u64).chance(1, PLAIN) {
                continue; // the byte mutation
            }
            let out = mutated(&bytes, 1 << 16, seed, focus);
            assert_eq!(Program::decode(&out).encode(), out);
        }
    }
}

#[test]
fn every_kind_changes_programs() {
    for (kind, ..) in MUTATIONS {
        let mut changed = 0;
        for i in 0..100 {
            let before = Generator::new(4).program(i);
            let mut after = before.clone();
            apply(&mut after, kind, &mut Rng::new(i, 0));
            after.repair();
            changed += u32::from(after != before);
        }
        // Some change what is changed back by repair, or put what is there already.
        assert!(changed >= 40, "{kind:?} changed {changed} of 100");
    }
}

#[test]
fn the_focus_decides_what_is_drawn() {
    for focus in FOCI {
        let mut rng = Rng::new(1, 0);
        let drawn: Vec<Mutation> = (0..4000).map(|_| draw(&mut rng, focus)).collect();
        for (kind, share, there) in MUTATIONS {
            // Half of the share is the limit, so that chance does not fail the test.
            let share = there.filter(|(wanted, _)| *wanted == focus).map_or(share, |(_, share)| share);
            let count = drawn.iter().filter(|d| **d == kind).count() as u32;
            assert!(count * 4 > share * 40 / 2, "{focus:?}: {kind:?} drawn {count} times");
        }
    }
}

/// From nothing, mutations alone reach every op, several tasks, shrinkers, faults and memory.
#[test]
fn mutations_reach_everything() {
    let mut seen = BTreeSet::new();
    let mut bytes = Program::default().encode();
    for seed in 0..6000 {
        bytes = mutated(&bytes, 2000, seed, FOCI[seed as usize % FOCI.len()]);
        let program = Program::decode(&bytes);
        seen.extend(program.tasks.iter().flatten().map(|op| op.info().name));
        let parts = [
            ("tasks", program.tasks.len() > 2),
            ("shrinkers", !program.shrinkers.is_empty()),
            ("faults", program.faults.len() > 1),
            ("memory", program.memory.is_some()),
            ("schedule", program.schedule.len() > 8),
        ];
        seen.extend(parts.iter().filter(|(_, there)| *there).map(|(name, _)| *name));
    }
    for op in super::super::TABLE.iter().filter(|op| op.weight > 0) {
        assert!(seen.contains(op.name), "no {}", op.name);
    }
    for part in ["tasks", "shrinkers", "faults", "memory", "schedule"] {
        assert!(seen.contains(part), "no {part}");
    }
}

#[test]
fn what_is_too_long_is_cut_to_a_program() {
    let program = (0..).map(|i| Generator::new(2).program(i)).find(|p| p.nr_ops() > 300 && p.shrinkers.is_empty());
    let program = program.expect("there are long programs");
    for max in [RECORD_HEADER, 100, 500, 1500] {
        let bytes = fitting(program.clone(), max, Program::repair);
        assert!(bytes.len() <= max);
        let ops = Program::decode(&bytes).nr_ops();
        assert!(max <= 100 || ops * 14 > max / 4, "{ops} ops in {max} bytes");
    }
}

#[test]
fn crossover_takes_from_both() {
    let (a, b) = (Generator::new(1).program(3), Generator::new(2).program(5));
    let (mut boots, mut both) = (0, 0);
    for seed in 0..200 {
        let out = Program::decode(&crossed(&a.encode(), &b.encode(), 1 << 16, seed));
        boots += u32::from(out.boot == b.boot && a.boot != b.boot);
        let from = |p: &Program| p.tasks.iter().flatten().any(|op| out.tasks.iter().flatten().any(|o| o == op));
        both += u32::from(from(&a) && from(&b));
    }
    assert!(boots > 5 && both > 50, "{boots} {both}");
}
