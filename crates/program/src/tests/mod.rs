// SPDX-License-Identifier: GPL-2.0-only
//! Tests of programs, by theme.

mod docs;
mod errors;
mod forms;
mod generator;
mod minimizer;

use proptest::prelude::*;

use super::contract::KNOWN_FLAGS;
use super::{Handler, Op, Program, Shrinker, TABLE, Turn};
use percuss_kernel::event::Site;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Fault, First, Geometry, Memory, Var, limits};

/// Ops of a task, fewer than that; Miri takes a thousand times as long.
const OPS: usize = if cfg!(miri) { 6 } else { 40 };

/// Any op, operands anywhere in their types.
fn any_op() -> impl Strategy<Value = Op> {
    // Random bytes in short form reach every value of every kind of operand.
    let long = proptest::collection::vec(any::<u8>(), 16);
    let alloc = (any::<u8>(), any::<u32>(), any::<u32>(), any::<bool>(), any::<u32>()).prop_map(
        |(dst, size, align, reserved, gfp)| Op::Alloc { dst: Var(dst), size, align, reserved, gfp: Gfp(gfp) },
    );
    let known = (any::<u8>(), 0..40_000u32, 0..13u32, any::<u32>()).prop_map(|(dst, size, align, gfp)| Op::Alloc {
        dst: Var(dst),
        size,
        align: 1 << align,
        reserved: false,
        gfp: Gfp(gfp) & KNOWN_FLAGS,
    });
    let other = (1..TABLE.len(), long).prop_map(|(row, bytes)| {
        let mut short = super::codes::Short::new(std::array::from_fn(|i| bytes[i]));
        Op::get_short(row, &mut short)
    });
    prop_oneof![alloc, known, other.clone(), other]
}

/// Any geometry, possible or not.
fn any_geometry() -> impl Strategy<Value = Geometry> {
    let sizes = (any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>());
    (any::<u64>(), any::<u8>(), any::<bool>(), sizes, 0..3usize, any::<bool>()).prop_map(
        |(cpus, groups, interleaved, (static_size, reserved, dyn_size, atom, unit, pages), first, kmem)| Geometry {
            cpus,
            groups,
            interleaved,
            static_size,
            reserved,
            dyn_size,
            atom,
            unit: unit % (4 << 20),
            first: [First::Embed, First::Page, First::Info][first],
            kmem,
            pages,
        },
    )
}

/// Any program, legal or not, within limits or not.
fn any_program() -> impl Strategy<Value = Program> {
    let fault = (0..Site::ALL.len(), any::<u32>(), prop_oneof![Just(u32::MAX), 0..300u32, any::<u32>()])
        .prop_map(|(site, nth, times)| Fault { site: Site::ALL[site].0, nth, times });
    let tasks = proptest::collection::vec(proptest::collection::vec(any_op(), 0..OPS), 0..limits::TASKS + 2);
    let faults = proptest::collection::vec(fault, 0..limits::FAULTS + 2);
    let turn = (0..=Turn::KSWAPD + 8, prop_oneof![Just(0), 0..300u32, any::<u32>()])
        .prop_map(|(lane, points)| Turn { lane, points });
    let schedule = proptest::collection::vec(turn, 0..5 * OPS / 2);
    (any_geometry(), any::<bool>(), tasks, faults, schedule, any_pressure(), any_handlers()).prop_map(
        |(boot, unsafe_caller, tasks, faults, schedule, (memory, shrinkers), handlers)| Program {
            boot,
            unsafe_caller,
            memory,
            tasks,
            shrinkers,
            handlers,
            faults,
            schedule,
        },
    )
}

/// Any memory and shrinkers.
fn any_pressure() -> impl Strategy<Value = (Option<Memory>, Vec<Shrinker>)> {
    let small = || prop_oneof![0..300u16, any::<u16>()];
    let memory = (small(), any::<u8>(), small(), small(), small(), small(), any::<bool>())
        .prop_map(|(free, reserve, clean, io, fs, oom, kswapd)| Memory { free, reserve, clean, io, fs, oom, kswapd });
    let shrinker = (any::<bool>(), any::<u8>(), proptest::collection::vec(any_op(), 0..10))
        .prop_map(|(gated, objects, ops)| Shrinker { gated, objects, ops });
    (proptest::option::of(memory), proptest::collection::vec(shrinker, 0..limits::SHRINKERS + 2))
}

/// Any handlers.
fn any_handlers() -> impl Strategy<Value = Vec<Handler>> {
    let handler =
        (any::<bool>(), proptest::collection::vec(any_op(), 0..10)).prop_map(|(hard, ops)| Handler { hard, ops });
    proptest::collection::vec(handler, 0..limits::HANDLERS + 2)
}

/// Any program that may run.
fn any_repaired() -> impl Strategy<Value = Program> {
    any_program().prop_map(|mut program| {
        program.repair();
        program
    })
}
