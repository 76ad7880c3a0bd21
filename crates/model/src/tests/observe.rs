// SPDX-License-Identifier: GPL-2.0-only
//! What is seen of the state: saved and restored, what changed since the last look, and addresses of areas.

use super::{all, alloc, balance, boot, free, small};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{ChunkState, Geometry, Kernel, State, Tenant, Touched};

#[test]
fn a_saved_chunk_comes_back() {
    // Gone, or with another one in its place.
    for (again, chunks) in [(false, 2), (true, 3)] {
        let model = boot(small());
        let areas = [20 << 10; 3].map(|size| alloc(&model, size, Gfp::KERNEL));
        model.save();
        let saved = model.digest_all();
        // Two chunks become free, and the worker keeps one of them.
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
