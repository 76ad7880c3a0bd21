// SPDX-License-Identifier: GPL-2.0-only
//! The Model on its own: invariants, failure paths, and what each quirk does.

use proptest::prelude::*;

use super::block::Md;
use super::testing::{Fail, Mock, STATIC_IMAGE};
use super::{Allocator, Facts, Quirk, Quirks};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Addr, Block, ChunkState, First, Geometry, Kernel, State, Tenant, Touched};

type Model = Allocator<Mock>;

const BLOCK: usize = 1024;
/// Steps of a random program, fewer than that; Miri takes a thousand times as long.
const STEPS: usize = if cfg!(miri) { 12 } else { 160 };

/// Static 8K and 20K to allocate from in units of 32K on four CPUs; no reserved part.
fn small() -> Geometry {
    Geometry { atom: 4096, first: First::Info, ..Geometry::default() }
}

fn boot_with(geometry: Geometry, quirks: Quirks) -> Model {
    let model = Allocator::new(Mock::new(geometry), Facts::default(), quirks);
    model.boot(&geometry).expect("boots");
    check(&model);
    model
}

fn boot(geometry: Geometry) -> Model {
    boot_with(geometry, Quirks::default())
}

fn all(model: &Model) -> State {
    let mut state = State::default();
    model.state(Touched::All, &mut state);
    state
}

fn bit(map: &[u64], at: usize) -> bool {
    map[at / 64] >> (at % 64) & 1 == 1
}

/// Longest run of clear bits in a range.
fn longest(map: &[u64], range: std::ops::Range<usize>) -> usize {
    let (mut best, mut run) = (0, 0);
    for at in range {
        run = if bit(map, at) { 0 } else { run + 1 };
        best = best.max(run);
    }
    best
}

fn is_free(map: &[u64], start: i32, len: i32) -> bool {
    (start as usize..(start + len) as usize).all(|at| !bit(map, at))
}

fn check_chunk(chunk: &ChunkState) {
    // Miri is asked about memory, not about hints, and would look at bits one by one for minutes.
    if cfg!(miri) {
        return;
    }
    let map = &chunk.alloc_map;
    let bits = chunk.nr_pages as usize * BLOCK;
    let free = (0..bits).filter(|&at| !bit(map, at)).count();
    assert_eq!(chunk.free_bytes as usize, free * 4, "free_bytes");
    assert!(chunk.md.contig_hint as usize <= longest(map, 0..bits), "chunk contig_hint");
    assert!(is_free(map, chunk.md.contig_hint_start, chunk.md.contig_hint), "chunk contig region");
    let mut empty = 0;
    for (index, block) in chunk.blocks.iter().enumerate() {
        let part = &map[index * BLOCK / 64..(index + 1) * BLOCK / 64];
        let first = (0..BLOCK).find(|&at| bit(part, at));
        assert_eq!(block.left_free as usize, first.unwrap_or(BLOCK), "left_free of {index}");
        let right = (0..BLOCK).rev().take_while(|&at| !bit(part, at)).count();
        assert!(block.right_free as usize <= right, "right_free of {index}");
        assert!(block.contig_hint as usize <= longest(part, 0..BLOCK), "contig_hint of {index}");
        assert!(is_free(part, block.contig_hint_start, block.contig_hint), "contig region of {index}");
        assert!(is_free(part, block.scan_hint_start, block.scan_hint), "scan region of {index}");
        let first_free = (0..BLOCK).find(|&at| !bit(part, at)).unwrap_or(BLOCK);
        assert!(block.first_free as usize <= first_free, "first_free of {index}");
        empty += (first.is_none() && bit(&chunk.populated, index)) as i32;
    }
    let populated = (0..chunk.nr_pages as usize).filter(|&page| bit(&chunk.populated, page)).count();
    assert_eq!(chunk.nr_populated as usize, populated, "nr_populated");
    assert_eq!(chunk.nr_empty_pop_pages, empty, "nr_empty_pop_pages");
}

/// Rules that hold whenever no call is under way.
fn check(model: &Model) {
    model.kernel().at_rest();
    let state = all(model);
    let mut empty = 0;
    let mut dynamic_pages = 0;
    for chunk in state.chunks() {
        check_chunk(chunk);
        if !chunk.is_reserved && !chunk.isolated {
            empty += chunk.nr_empty_pop_pages;
        }
        if !chunk.immutable {
            dynamic_pages += chunk.nr_populated as usize;
        }
    }
    assert_eq!(state.globals.nr_empty_pop_pages, empty, "global count of empty pages");
    let cpus = model.kernel().pages.borrow().len();
    assert_eq!(cpus, dynamic_pages * model.possible().count_ones() as usize, "pages");
}

fn alloc(model: &Model, size: u64, gfp: Gfp) -> Addr {
    let ptr = model.alloc(size, 4, false, gfp);
    check(model);
    ptr
}

fn free(model: &Model, ptr: Addr) {
    model.free(ptr);
    check(model);
}

fn balance(model: &Model) {
    model.kernel().work.set(false);
    model.balance();
    check(model);
}

fn geometries() -> Vec<Geometry> {
    let base = Geometry::default();
    let mut all = vec![base, small()];
    for first in [First::Embed, First::Page, First::Info] {
        all.push(Geometry { first, reserved: 8 << 10, static_size: 12_345, atom: 4096, ..base });
        all.push(Geometry { first, cpus: 0b1010_1101, groups: 2, atom: 64 << 10, ..base });
        all.push(Geometry { first, cpus: !0, groups: 4, interleaved: true, atom: 2 << 20, ..base });
        all.push(Geometry { first, cpus: 2, dyn_size: 1 << 20, reserved: 4, static_size: 4, ..base });
    }
    all
}

#[test]
fn boots_every_way() {
    for geometry in geometries() {
        // A static size that is no multiple of 4 costs the dynamic part of a hand-made description up to 3 bytes
        // that free_bytes knows of and the map does not.
        let geometry = match geometry.first {
            First::Info => Geometry { static_size: geometry.static_size & !3, ..geometry },
            _ => geometry,
        };
        let model = Allocator::new(Mock::new(geometry), Facts::default(), Quirks::default());
        let layout = model.boot(&geometry).expect("boots");
        check(&model);
        let mut offsets: Vec<u64> = geometry.possible().map(|cpu| layout.unit_offsets[cpu as usize]).collect();
        offsets.sort_unstable();
        let mut copied: Vec<u64> = model.kernel().copied.borrow().iter().map(|to| to - layout.base_addr).collect();
        copied.sort_unstable();
        assert_eq!(copied, offsets, "each CPU has the static area");
        assert!(offsets.windows(2).all(|pair| pair[1] - pair[0] >= layout.unit_size));
        assert_eq!(layout.unit_offsets[layout.low_cpu as usize], offsets[0]);
        assert_eq!(layout.unit_offsets[layout.high_cpu as usize], offsets[offsets.len() - 1]);
        assert_eq!(layout.unit_size % 4096, 0);
        let ptr = alloc(&model, 64, Gfp::KERNEL);
        assert_ne!(ptr, 0);
        for cpu in geometry.possible() {
            let unit = layout.base_addr + layout.unit_offsets[cpu as usize];
            assert_eq!(model.is_static(unit), Some(layout.base_addr + offsets_of_boot_cpu(&geometry, &layout)));
            assert_eq!(model.is_static(unit + geometry.static_size as u64), None);
            let _ = model.to_phys(unit + 12);
        }
        free(&model, ptr);
    }
}

fn offsets_of_boot_cpu(geometry: &Geometry, layout: &percuss_kernel::Layout) -> u64 {
    layout.unit_offsets[geometry.cpus.trailing_zeros() as usize]
}

#[test]
fn embed_packs_units_into_atoms() {
    let model = Allocator::new(Mock::new(Geometry::default()), Facts::default(), Quirks::default());
    let layout = model.boot(&Geometry::default()).expect("boots");
    assert_eq!((layout.unit_size, layout.nr_units), (512 << 10, 4));
    let geometry = Geometry { cpus: 0xff, groups: 2, ..Geometry::default() };
    let model = Allocator::new(Mock::new(geometry), Facts::default(), Quirks::default());
    let layout = model.boot(&geometry).expect("boots");
    assert_eq!((layout.unit_size, layout.nr_units, layout.group_sizes), (512 << 10, 8, vec![2 << 20; 2]));
}

#[test]
fn boot_survives_memblock_failures() {
    for geometry in geometries() {
        let kernel = Mock::new(geometry);
        let model = Allocator::new(kernel, Facts::default(), Quirks::default());
        model.boot(&geometry).expect("boots");
        for nth in 1..=model.kernel().memblock_calls.get().min(12) {
            let kernel = Mock::new(geometry);
            kernel.fail.set(Some((Fail::Memblock, nth)));
            assert_eq!(Allocator::new(kernel, Facts::default(), Quirks::default()).boot(&geometry), Err(-12));
        }
    }
}

#[test]
#[should_panic(expected = "BUG")]
fn a_unit_that_does_not_hold_all_parts_is_a_bug() {
    let geometry = Geometry { unit: 4096, ..small() };
    let _ = Allocator::new(Mock::new(geometry), Facts::default(), Quirks::default()).boot(&geometry);
}

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
    assert!(model.kernel().metadata.borrow().len() <= dynamic * 6 + 1);
}

#[test]
fn what_ignores_masks_is_felt_when_they_forbid_something() {
    use super::Felt;
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

#[test]
fn a_saved_chunk_comes_back() {
    // Gone, or with another one in its place.
    for (again, chunks) in [(false, 2), (true, 3)] {
        let model = boot(small());
        let areas = [20 << 10; 3].map(|size| alloc(&model, size, Gfp::KERNEL));
        model.save();
        let saved = model.digest_all();
        free(&model, areas[2]);
        free(&model, areas[1]);
        balance(&model);
        if again {
            for size in [9000, 30_000] {
                assert_ne!(alloc(&model, size, Gfp::KERNEL), 0);
            }
        }
        assert_eq!(all(&model).chunks().len(), chunks);
        model.restore();
        assert_eq!(model.digest_all(), saved);
    }
}

/// A frame tells of its chunk for as long as the machine lives that gave it to the chunk.
#[test]
fn frames_are_forgotten_with_the_machine() {
    let machine = |early: bool| {
        let model = boot(small());
        if early {
            model.save();
        }
        let areas = [20 << 10; 2].map(|size| alloc(&model, size, Gfp::KERNEL));
        let addr = model.look(|core| core.place.unit_addr(areas[1]));
        let id = model.find_chunk(addr);
        assert!(id.is_some_and(|id| model.look(|core| core.chunk(id).serves(addr))));
        if !early {
            model.save();
        }
        model.restore();
        (model.find_chunk(addr), id)
    };
    assert_eq!(machine(true).0, None);
    let (found, id) = machine(false);
    assert_eq!(found, id);
}

#[test]
fn arguments_are_checked() {
    let model = boot(small());
    for (size, align) in [(0, 4), (32 * 1024 + 1, 4), (8, 8192), (8, 24), (u64::MAX, 4)] {
        assert_eq!(model.alloc(size, align, false, Gfp::KERNEL), 0);
        assert_eq!(model.alloc(size, align, false, Gfp::KERNEL | Gfp::NOWARN), 0);
    }
    assert_eq!(model.kernel().diags.get(), 5);
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

#[test]
fn what_changed_is_where_all_chunks_are() {
    let model = boot(Geometry { reserved: 4096, ..small() });
    let mut recent = State::default();
    model.state(Touched::Recent, &mut recent);
    assert_ne!(model.alloc(64, 8, true, Gfp::KERNEL), 0);
    for _ in 0..4 {
        assert_ne!(model.alloc(20 << 10, 8, false, Gfp::KERNEL), 0);
    }
    model.state(Touched::Recent, &mut recent);
    let all = all(&model);
    let place = |c: &ChunkState| (c.base_addr, c.start_offset, c.slot, c.position, c.is_first, c.is_reserved);
    let [mut recent, mut all] = [recent.chunks(), all.chunks()].map(|c| c.iter().map(place).collect::<Vec<_>>());
    recent.sort_unstable();
    all.sort_unstable();
    assert_eq!(recent, all, "each has changed");
    assert_eq!(all.iter().filter(|c| c.5).map(|c| (c.2, c.3)).collect::<Vec<_>>(), [(-1, 0)], "the reserved one");
    assert_eq!(all.iter().filter(|c| c.4).count(), 1, "the first one");
    assert!(all.iter().any(|c| c.3 > 1), "one list has several: {all:?}");
}

#[test]
fn a_chunk_that_is_gone_is_no_change() {
    let model = boot(small());
    let areas = [20 << 10; 3].map(|size| alloc(&model, size, Gfp::KERNEL));
    let mut recent = State::default();
    model.state(Touched::Recent, &mut recent);
    free(&model, areas[2]);
    free(&model, areas[1]);
    balance(&model);
    model.state(Touched::Recent, &mut recent);
    let bases = |state: &State, all| {
        let wanted = |c: &&ChunkState| all || !c.is_first;
        state.chunks().iter().filter(wanted).map(|c| c.base_addr).collect::<Vec<_>>()
    };
    assert_eq!(bases(&all(&model), false).len(), 1, "one is gone");
    assert_eq!(bases(&recent, true), bases(&all(&model), false), "and the other one was freed");
}

#[test]
fn a_visit_sees_what_a_copy_has() {
    let model = boot(Geometry { reserved: 4096, ..small() });
    for _ in 0..4 {
        assert_ne!(model.alloc(20 << 10, 8, false, Gfp::KERNEL), 0);
    }
    let copy = all(&model);
    let mut seen = 0;
    model.visit(Touched::All, &mut |globals, chunk| {
        assert_eq!(*globals, copy.globals);
        assert_eq!(chunk.head.base_addr, copy.chunks()[seen].base_addr);
        assert_eq!(chunk.alloc_map, copy.chunks()[seen].alloc_map);
        seen += 1;
    });
    assert_eq!(seen, copy.chunks().len());
    assert_eq!(model.name(), "Model");
}

#[test]
fn what_is_beside_the_first_chunk_is_not_in_it() {
    let model = boot(small());
    let layout = model.look(|core| core.place.layout());
    let linear = model.kernel().linear();
    let [start, last] =
        [layout.low_cpu, layout.high_cpu].map(|cpu| layout.base_addr + layout.unit_offsets[cpu as usize]);
    let end = last + layout.unit_size;
    assert_eq!(model.to_phys(start), start - linear);
    assert_eq!(model.to_phys(end - 1), end - 1 - linear);
    // Nothing is mapped there.
    assert_eq!(model.to_phys(start - 1), (start - 1) % 4096);
    assert_eq!(model.to_phys(end), end % 4096);
}

/// A tree with and without a quirk.
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
fn work_is_queued_under_the_lock_or_behind_it() {
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
