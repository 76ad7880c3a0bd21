// SPDX-License-Identifier: GPL-2.0-only
//! The Model on its own: invariants, failure paths, and what each quirk does.

mod boot;
mod calls;
pub mod mock;
mod observe;
mod quirks;
mod random;

use self::mock::Mock;
use super::{Allocator, Facts, Quirks};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Addr, ChunkState, First, Geometry, State, Tenant, Touched};

type Model = Allocator<Mock>;

const BLOCK: usize = 1024;

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
        // With B50 the right edge may be lost, so hints may fall short of the map but never exceed it.
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
        // Frames of the first chunk come from memblock and are not in the mock's pages.
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
