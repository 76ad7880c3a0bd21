// SPDX-License-Identifier: GPL-2.0-only
//! Random programs: the invariants hold after each call, nothing is leaked, and a restore brings everything back.

use super::mock::{Fail, Mock};
use super::{Model, all, boot, boot_with, check, small};
use crate::{Allocator, Facts, Quirk, Quirks};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{First, Geometry, State, Tenant, Touched};
use proptest::prelude::*;

/// Steps of a random program, fewer than that; Miri takes a thousand times as long.
const STEPS: usize = if cfg!(miri) { 12 } else { 160 };

#[derive(Clone, Copy, Debug)]
enum Step {
    Alloc { size: u64, align: u32, gfp: Gfp, reserved: bool },
    Free(usize),
    Balance,
    Fail(Fail, u32),
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![6 => 1u64..300, 3 => 1u64..5000, 2 => 4000u64..32_769, 1 => Just(4096)];
    let gfp = prop_oneof![
        Just(Gfp::KERNEL),
        Just(Gfp::KERNEL),
        Just(Gfp::KERNEL_ACCOUNT),
        Just(Gfp::ATOMIC),
        Just(Gfp::NOWAIT)
    ];
    let site =
        prop_oneof![Just(Fail::Metadata), Just(Fail::Page), Just(Fail::Map), Just(Fail::Areas), Just(Fail::Charge)];
    prop_oneof![
        8 => (size, prop_oneof![4 => Just(0u32), 1 => 0u32..11], gfp, prop::bool::weighted(0.1))
            .prop_map(|(size, align, gfp, reserved)| Step::Alloc { size, align: 2 + align, gfp, reserved }),
        7 => any::<usize>().prop_map(Step::Free),
        1 => Just(Step::Balance),
        1 => (site, 1u32..8).prop_map(|(site, nth)| Step::Fail(site, nth)),
    ]
}

/// Runs steps; frees and balances everything at the end.
fn run(model: &Model, steps: &[Step], checked: bool) {
    let mut live = Vec::new();
    model.kernel().accounted.set(true);
    for step in steps {
        match *step {
            Step::Alloc { size, align, gfp, reserved } => {
                let ptr = model.alloc(size, 1 << align.min(12), reserved, gfp);
                if ptr != 0 {
                    live.push(ptr);
                }
            }
            Step::Free(at) if !live.is_empty() => model.free(live.swap_remove(at % live.len())),
            Step::Free(_) => {}
            Step::Balance => model.balance(),
            Step::Fail(site, nth) => model.kernel().fail.set(Some((site, nth))),
        }
        if checked {
            check(model);
        }
    }
    for ptr in live {
        model.free(ptr);
    }
    // A failure that is still pending must not hit the worker.
    model.kernel().fail.set(None);
    model.balance();
    check(model);
    assert_eq!(model.kernel().charged.get(), 0);
    assert_eq!(model.kernel().refs.get(), 0);
}

/// Everything but one free chunk and the array of pages is given back.
fn check_no_leak(model: &Model) {
    let state = all(model);
    assert!(state.chunks().iter().filter(|chunk| !chunk.immutable).all(|chunk| chunk.nr_alloc == 0));
    let dynamic = state.chunks().iter().filter(|chunk| !chunk.immutable).count();
    assert_eq!(model.kernel().areas.borrow().len(), dynamic);
    // Five allocations and the areas' handle for each chunk, and the array of pages.
    assert!(model.kernel().metadata.borrow().len() <= dynamic * 6 + 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn invariants_hold(
        steps in prop::collection::vec(step(), 1..STEPS),
        geometry in prop_oneof![
            Just(small()),
            Just(Geometry { reserved: 8 << 10, ..small() }),
            Just(Geometry { first: First::Page, cpus: 0b101, reserved: 4096, ..small() }),
            Just(Geometry { first: First::Embed, atom: 4096, kmem: false, ..Geometry::default() }),
        ],
        quirks in prop_oneof![
            Just(Quirks::v6_12()),
            // Without the mutex two tasks could populate one page.
            Just(Quirks::none().with(Quirk::BackingUnderMutex)),
        ],
    ) {
        let model = boot_with(geometry, quirks);
        run(&model, &steps, true);
        check_no_leak(&model);
    }

    #[test]
    fn restore_brings_everything_back(steps in prop::collection::vec(step(), 1..STEPS / 2)) {
        let geometry = Geometry { reserved: 8 << 10, ..small() };
        let model = boot(geometry);
        model.save();
        let saved = model.digest_all();
        run(&model, &steps, false);
        model.restore();
        prop_assert_eq!(model.digest_all(), saved);
        let mut touched = State::default();
        model.state(Touched::Recent, &mut touched);
        prop_assert!(touched.chunks().is_empty());
        // A second program sees the same on the used and on a new one.
        let again = Allocator::new(Mock::new(geometry), Facts::default(), Quirks::default());
        again.boot(&geometry).unwrap();
        again.save();
        model.kernel().calls.set(0);
        again.kernel().calls.set(0);
        let digests = [&model, &again].map(|model| {
            model.kernel().pages.borrow_mut().clear();
            for size in [100, 9000, 30_000, 4, 20_000] {
                model.alloc(size, 8, false, Gfp::ATOMIC);
            }
            model.digest_all()
        });
        prop_assert_eq!(digests[0], digests[1]);
    }
}
