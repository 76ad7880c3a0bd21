// SPDX-License-Identifier: GPL-2.0-only
//! Single calls: arguments, failures of each backing, the balance worker, and the reserved part.

use super::mock::{Fail, STATIC_IMAGE};
use super::{all, alloc, balance, boot, check, free, small};
use crate::{Felt, Quirk};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Geometry, Tenant};

#[test]
fn what_ignores_masks_is_felt_when_they_forbid_something() {
    let model = boot(small());
    let chunk = |gfp| assert_ne!(model.alloc(20 << 10, 8, false, gfp), 0, "of a chunk of its own");
    chunk(Gfp::KERNEL);
    model.forget_felt();
    // The array of pages is made with this one.
    chunk(Gfp::KERNEL);
    assert_eq!(model.felt(), Felt::default());
    chunk(Gfp::NOFS);
    let both = Felt { b04: true, b05: true };
    assert_eq!(model.felt(), both);
    chunk(Gfp::KERNEL);
    assert_eq!(model.felt(), both, "once is enough");
    let idle = |felt: Felt| [Quirk::B04, Quirk::B05, Quirk::B06].map(|quirk| felt.idle(quirk));
    assert_eq!(idle(both), [false; 3]);
    assert_eq!(idle(Felt { b04: true, b05: false }), [false, true, false]);
    assert_eq!(idle(Felt { b04: false, b05: true }), [true, false, false]);
    model.forget_felt();
    assert_eq!(model.felt(), Felt::default());
}

#[test]
fn arguments_are_checked() {
    let model = boot(small());
    for (size, align) in [(0, 4), (32 * 1024 + 1, 4), (8, 8192), (8, 24), (u64::MAX, 4)] {
        assert_eq!(model.alloc(size, align, false, Gfp::KERNEL), 0);
        assert_eq!(model.alloc(size, align, false, Gfp::KERNEL | Gfp::NOWARN), 0);
    }
    // Only the calls without `__GFP_NOWARN` warn.
    assert_eq!(model.kernel().diags.get(), 5);
    // Too small a size or alignment is rounded up, not refused.
    assert_ne!(model.alloc(1, 0, false, Gfp::KERNEL), 0);
    check(&model);
}

#[test]
fn failures_leave_nothing_behind() {
    let sites = [(Fail::Metadata, 6), (Fail::Page, 12), (Fail::Map, 4), (Fail::Areas, 1)];
    for (site, last) in sites {
        for nth in (1..=last).step_by(if cfg!(miri) { 4 } else { 1 }) {
            let model = boot(small());
            // Fills the first chunk, so that the next one needs a new chunk with three pages for each of four CPUs.
            assert_ne!(model.alloc(20 << 10, 4, false, Gfp::KERNEL), 0);
            model.kernel().fail.set(Some((site, nth)));
            assert_eq!(model.alloc(12 << 10, 4, false, Gfp::KERNEL), 0, "{site:?} {nth}");
            check(&model);
            assert!(model.kernel().fail.get().is_none());
            assert!(model.kernel().mapped.borrow().is_empty());
            assert_ne!(alloc(&model, 12 << 10, Gfp::KERNEL), 0, "{site:?} {nth}");
        }
    }
}

#[test]
fn the_worker_keeps_pages_for_atomic_callers() {
    let model = boot(small());
    let fill = alloc(&model, 20 << 10, Gfp::KERNEL);
    assert!(model.kernel().work.get());
    // There is no populated page left, and atomic callers cannot populate one.
    assert_eq!(alloc(&model, 4096, Gfp::ATOMIC), 0);
    balance(&model);
    let a = alloc(&model, 4096, Gfp::ATOMIC);
    assert_ne!(a, 0);
    free(&model, a);
    free(&model, fill);
}

#[test]
fn empty_pages_are_reclaimed_and_chunks_sidelined() {
    let geometry = small();
    let model = boot(geometry);
    let mut areas = vec![alloc(&model, 20 << 10, Gfp::KERNEL)];
    areas.extend((0..16).map(|_| alloc(&model, 4096, Gfp::KERNEL)));
    let before = model.kernel().pages.borrow().len();
    for &ptr in &areas[2..16] {
        free(&model, ptr);
    }
    assert!(model.kernel().work.get());
    assert!(all(&model).chunks().iter().any(|chunk| chunk.isolated));
    balance(&model);
    assert!(model.kernel().pages.borrow().len() < before);
    let slots = all(&model).globals;
    assert!(all(&model).chunks().iter().all(|chunk| chunk.slot != slots.to_depopulate_slot));
    // Allocations come back to what was sidelined before a chunk is made.
    let chunks = all(&model).chunks().len();
    for _ in 0..8 {
        assert_ne!(alloc(&model, 4096, Gfp::KERNEL), 0);
    }
    assert_eq!(all(&model).chunks().len(), chunks);
    assert!(all(&model).chunks().iter().all(|chunk| !chunk.isolated || chunk.slot == slots.sidelined_slot));
}

#[test]
fn reserved_allocations_stay_in_the_reserved_part() {
    let model = boot(Geometry { reserved: 4096, ..small() });
    let a = model.alloc(4096, 4, true, Gfp::KERNEL);
    assert_eq!(a, STATIC_IMAGE + 8192);
    assert_eq!(model.alloc(4, 4, true, Gfp::KERNEL), 0);
    check(&model);
    free(&model, a);
    assert_eq!(model.alloc(8, 8, true, Gfp::ATOMIC), a);
}
