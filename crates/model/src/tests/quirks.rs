// SPDX-License-Identifier: GPL-2.0-only
//! What each quirk does: the same story on a tree with it and on one without.

use super::mock::Fail;
use super::{alloc, boot_with, check, free, small};
use crate::block::Md;
use crate::{Quirk, Quirks};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Addr, Block, Geometry, Tenant};

fn pair(quirk: Quirk) -> [Quirks; 2] {
    [Quirks::v6_12().with(quirk), Quirks::v6_12().without(quirk)]
}

#[test]
fn b24_hides_a_hole_outside_block_0() {
    let story = |quirks| {
        let model = boot_with(small(), quirks);
        assert_ne!(alloc(&model, 8192, Gfp::KERNEL), 0);
        let hole = alloc(&model, 256, Gfp::KERNEL);
        assert_ne!(alloc(&model, 12_032, Gfp::KERNEL), 0);
        free(&model, hole);
        alloc(&model, 256, Gfp::ATOMIC)
    };
    let [on, off] = pair(Quirk::B24).map(story);
    assert_eq!(on, 0);
    assert_ne!(off, 0);
}

#[test]
fn b36_frees_mapped_pages() {
    let story = |quirks| {
        let model = boot_with(small(), quirks);
        model.alloc(20 << 10, 4, false, Gfp::KERNEL);
        // The second CPU's mapping fails half way: one of its three pages is mapped.
        model.kernel().fail.set(Some((Fail::Map, 2)));
        assert_eq!(model.alloc(12 << 10, 4, false, Gfp::KERNEL), 0);
        model.kernel().mapped.borrow().len()
    };
    assert_eq!(pair(Quirk::B36).map(story), [1, 0]);
}

#[test]
fn warn_limit_sleepable_keeps_quiet_about_atomic_failures() {
    let story = |quirks| {
        let model = boot_with(small(), quirks);
        model.alloc(20 << 10, 4, false, Gfp::KERNEL);
        for _ in 0..12 {
            assert_eq!(model.alloc(4, 4, false, Gfp::ATOMIC), 0);
        }
        model.kernel().diags.get()
    };
    assert_eq!(pair(Quirk::WarnLimitSleepable).map(story), [0, 11]);
}

#[test]
fn b41_counts_pointers_that_are_not_there() {
    let story = |quirks| boot_with(Geometry { kmem: false, ..small() }, quirks).full_size(64);
    assert_eq!(pair(Quirk::B41).map(story), [4 * 64 + 16 * 8, 4 * 64]);
}

#[test]
fn b14_asks_after_the_locks_are_dropped() {
    let story = |quirks: Quirks| {
        let quirks = quirks.with(Quirk::QueueUnderLock);
        let model = boot_with(small(), quirks);
        model.kernel().calls.set(0);
        model.alloc(16 << 10, 4, false, Gfp::KERNEL);
        assert!(model.kernel().work.get());
        model.kernel().calls.get()
    };
    let [on, off] = pair(Quirk::B14).map(story);
    assert_ne!(on, off);
}

#[test]
fn work_is_queued_under_the_lock_or_after_it() {
    let story = |quirks: Quirks| {
        let model = boot_with(small(), quirks);
        model.kernel().calls.set(0);
        model.alloc(16 << 10, 4, false, Gfp::KERNEL);
        assert!(model.kernel().work.get());
        model.kernel().calls.get()
    };
    let without_b14 = pair(Quirk::QueueUnderLock).map(|quirks| story(quirks.without(Quirk::B14)));
    assert_ne!(without_b14[0], without_b14[1]);
    let with_b14 = pair(Quirk::QueueUnderLock).map(story);
    assert_eq!(with_b14[0], with_b14[1], "it is asked without the lock");
}

#[test]
fn b03_takes_callers_that_could_wait_for_atomic() {
    let story = |quirks| boot_with(small(), quirks).alloc(28 << 10, 4, false, Gfp::NOFS) != 0;
    assert_eq!(pair(Quirk::B03).map(story), [false, true]);
}

/// An allocation of (align, size), or for a negative first number the free of the area of that allocation, from -1 on.
type Call = (i32, u64);

/// What atomic calls return, and the digest of the state after them.
fn story(quirks: Quirks, calls: &[Call]) -> (Vec<Addr>, u64) {
    let model = boot_with(small(), quirks);
    let mut areas = Vec::new();
    let mut results = Vec::new();
    for &(first, size) in calls {
        if first < 0 {
            free(&model, areas[(-1 - first) as usize]);
        } else {
            areas.push(model.alloc(size, first as u64, false, Gfp::ATOMIC));
            results.push(areas[areas.len() - 1]);
            check(&model);
        }
    }
    (results, model.digest_all())
}

#[test]
fn b25_leaves_equal_hints_in_the_wrong_order() {
    let scan = pair(Quirk::B25).map(|quirks| {
        let mut block = Md(Block { contig_hint: 4, contig_hint_start: 8, nr_bits: 1024, ..Block::default() });
        block.learn(1, 5, &quirks);
        block.scan_hint
    });
    assert_eq!(scan, [4, 0], "an equally large area before the contig hint is a scan hint only with B25");
}

#[test]
fn b26_a_start_without_a_hint_decides_about_the_scan_hint() {
    // Told apart without B24, which keeps the chunk from learning of what is freed here.
    let calls = [
        (16, 8192),
        (512, 256),
        (1024, 1280),
        (4, 7168),
        (128, 1792),
        (1024, 512),
        (256, 32),
        (-2, 0),
        (4, 3072),
        (-4, 0),
    ];
    let [on, off] = pair(Quirk::B26).map(|quirks| story(quirks.without(Quirk::B24), &calls).1);
    assert_ne!(on, off);
}

#[test]
fn b50_loses_the_right_edge_of_a_block() {
    let calls = [(128, 1792), (1024, 1792), (32, 32), (16, 2048)];
    let [on, off] = pair(Quirk::B50).map(|quirks| story(quirks, &calls).0);
    assert_ne!(on, off);
}

#[test]
fn b51_forgets_what_lies_before_a_promoted_hint() {
    let calls = [(64, 28), (128, 1792), (-1, 0), (1024, 1536), (16, 2048), (1024, 24)];
    let [on, off] = pair(Quirk::B51).map(|quirks| story(quirks.without(Quirk::B50), &calls).0);
    assert_ne!(on, off);
}
