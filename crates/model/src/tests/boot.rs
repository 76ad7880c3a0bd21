// SPDX-License-Identifier: GPL-2.0-only
//! Boot with each of the three builders of the first chunk, and boot that fails.

use super::mock::{Fail, Mock};
use super::{alloc, check, free, small};
use crate::{Allocator, Facts, Quirks};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{First, Geometry, Tenant};

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
    // Four units share an atom of 2 MiB.
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
