// SPDX-License-Identifier: GPL-2.0-only
//! Images of real trees on a minimal host.

mod common;

use common::*;
use percuss_kernel::Diag;
use percuss_shim::abi::*;
use percuss_shim::{Config, Image};

#[test]
fn facts_are_the_trees() {
    for (version, tree) in trees() {
        for config in Config::ALL {
            let path = build(&tree, config);
            let image = Image::load(&path).expect("loads");
            let f = image.facts();
            assert_eq!((f.page_shift, f.nr_cpus, f.block_md_size, f.min_alloc_size), (12, 256, 32, 4), "{version}");
            assert_eq!((f.block_bits, f.min_unit_size, f.cache_line), (1024, 32 << 10, 64));
            assert_eq!((f.has_stats, f.has_numa, f.is_km, f.vm_areas_take_gfp), (1, 1, 0, 0));
            assert_eq!((f.slot_base_shift, f.slot_fail_threshold, f.empty_pop_low, f.empty_pop_high), (5, 3, 2, 4));
            assert_eq!(f.has_memcg, (config == Config::Smp) as u32);
            assert_eq!(f.obj_ext_size, if config == Config::Smp { 8 } else { 0 });
            assert_eq!(f.dyn_early_size, if version == "6.1" { 12 << 10 } else { 20 << 10 });
        }
    }
}

#[test]
fn boots_and_serves_with_every_builder() {
    for (version, tree) in trees() {
        let path = build(&tree, Config::Smp);
        for cpus in [1, 4, 64] {
            for first in [PERCUSS_FIRST_EMBED, PERCUSS_FIRST_PAGE, PERCUSS_FIRST_INFO] {
                let (i, layout) = boot(Image::load(&path).expect("loads"), &params(cpus, first));
                let groups = if first == PERCUSS_FIRST_PAGE || cpus == 1 { 1 } else { 2 };
                assert_eq!(layout.nr_groups, groups, "{version} {cpus} {first}");
                assert!(layout.unit_map[..cpus as usize].iter().all(|u| *u >= 0));
                assert_eq!(i.is_static(i.host().arena.static_image), None);
                let unit0 = layout.base_addr + layout.unit_offsets[0];
                assert_eq!(i.is_static(unit0 + 8), Some(unit0 + 8));
                let start = i.globals();
                let before = i.host().diags.borrow().len();

                // Zeroing for 64 CPUs costs more than the rest of the test.
                i.host().check.set(cpus < 64);
                exercise(&i, &mut Rng(cpus as u64), 20_000, 600, true);
                let g = i.globals();
                assert_eq!((g.nr_cur_alloc, g.nr_alloc), (0, g.nr_dealloc));
                assert!(g.nr_alloc > 5_000 && g.nr_chunks >= start.nr_chunks);
                assert_eq!((i.host().charged.get(), i.host().refs.get(), i.host().held.borrow().len()), (0, 0, 0));
                let diags = i.host().diags.borrow();
                let warnings: Vec<_> = diags[before..].iter().filter(|d| d.0 == Diag::Warn).collect();
                assert!(warnings.is_empty(), "{version} {cpus} {first}: {warnings:?}");
                let mut chunks = 0;
                i.visit_all(|c| {
                    chunks += 1;
                    assert_eq!(c.blocks().len() as u32, c.nr_blocks);
                    assert_eq!(c.alloc_map().len() as u32 * 64, c.alloc_map_bits);
                    assert_eq!(c.is_reserved != 0, c.slot == -1);
                });
                // The stats count the reserved chunk as part of the first one.
                assert_eq!(chunks, g.nr_chunks + 1);
            }
        }
    }
}

#[test]
fn possible_cpus_may_have_holes() {
    for (version, tree) in trees() {
        let path = build(&tree, Config::Smp);
        for first in [PERCUSS_FIRST_EMBED, PERCUSS_FIRST_PAGE, PERCUSS_FIRST_INFO] {
            let mut p = params(6, first);
            p.possible = 0b1_1000_0101 | 1 << 63;
            let (i, layout) = boot(Image::load(&path).expect("loads"), &p);
            let possible: Vec<bool> = layout.unit_map.iter().map(|u| *u >= 0).collect();
            assert!((0..64).all(|c| possible[c] == (p.possible >> c & 1 == 1)), "{version} {first}");
            exercise(&i, &mut Rng(2), 3_000, 200, true);
            assert_eq!((i.globals().nr_cur_alloc, i.host().charged.get()), (0, 0));
        }
    }
}

#[test]
fn same_calls_give_the_same_digests() {
    for (version, tree) in trees() {
        let path = build(&tree, Config::Smp);
        let run = || {
            let (i, _) = boot(Image::load(&path).expect("loads"), &params(4, PERCUSS_FIRST_EMBED));
            i.host().keep_digests.set(true);
            exercise(&i, &mut Rng(7), 10_000, 300, false);
            (i.digest_all(), i.host().digests.take())
        };
        let (a, b) = (run(), run());
        assert!(a.1.len() > 10_000, "{version}");
        assert_eq!(a, b, "two instances at different addresses");
    }
}

#[test]
fn instances_have_statics_of_their_own() {
    let Some(tree) = tree("6.12") else { return };
    let path = build(&tree, Config::Smp);
    let (a, _) = boot(Image::load(&path).expect("loads"), &params(4, PERCUSS_FIRST_EMBED));
    let (b, _) = boot(Image::load(&path).expect("loads"), &params(4, PERCUSS_FIRST_EMBED));
    a.alloc(64, 8, false, GFP_KERNEL);
    assert_eq!((a.globals().nr_alloc, b.globals().nr_alloc), (1, 0));
}

#[test]
fn touched_chunks_are_shown_once() {
    let Some(tree) = tree("6.12") else { return };
    let path = build(&tree, Config::Smp);
    let (i, _) = boot(Image::load(&path).expect("loads"), &params(4, PERCUSS_FIRST_EMBED));
    let mut booted = 0;
    i.visit_touched(|_| booted += 1);
    assert_eq!(booted, 2, "boot hides parts of the first and the reserved chunk");
    let p = i.alloc(64, 8, false, GFP_KERNEL);
    let mut seen = Vec::new();
    i.visit_touched(|c| seen.push((c.is_first, c.touched_lo, c.touched_hi)));
    assert_eq!(seen, [(1, 0, 0)]);
    i.visit_touched(|_| panic!("nothing was touched"));
    i.free(p);
    let mut seen = 0;
    i.visit_touched(|_| seen += 1);
    assert_eq!(seen, 1);
}

#[test]
fn messages_are_formatted() {
    let Some(tree) = tree("6.12") else { return };
    let path = build(&tree, Config::Smp);
    let (i, _) = boot(Image::load(&path).expect("loads"), &params(4, PERCUSS_FIRST_EMBED));
    let texts: Vec<String> = i.host().diags.borrow().iter().map(|d| d.2.clone()).collect();
    assert!(texts.iter().any(|t| t.starts_with("percpu: Embedded 10 pages/cpu s8190 r8196")), "{texts:?}");
    i.host().diags.borrow_mut().clear();
    assert_eq!(i.alloc(0, 8, false, GFP_KERNEL), 0);
    let diags = i.host().diags.borrow().clone();
    assert_eq!(diags.len(), 1);
    assert_eq!((diags[0].0, diags[0].1.as_slice()), (Diag::Warn, &[0, 8][..]));
    assert_eq!(diags[0].2, "illegal size (0) or align (8) for percpu allocation\n");
    i.host().diags.borrow_mut().clear();
    i.host().fail_pages_after.set(0);
    while i.alloc(4096, 8, false, GFP_KERNEL) != 0 {}
    let diags = i.host().diags.borrow().clone();
    assert_eq!(diags[0].2, "percpu: allocation failed, size=4096 align=8 atomic=0, failed to populate\n");
    assert_eq!((diags[0].0, diags[0].1.as_slice(), diags[1].0), (Diag::Printk(4), &[4096, 8, 0][..], Diag::Stack));
}

fn mix(h: u64, v: u64) -> u64 {
    (h ^ v).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

fn pair(a: i64, b: i64) -> u64 {
    a as u32 as u64 | (b as u32 as u64) << 32
}

fn md(h: u64, m: &[i32; 8]) -> u64 {
    m.chunks(2).fold(h, |h, p| mix(h, pair(p[0].into(), p[1].into())))
}

#[test]
fn digest_all_is_the_documented_one() {
    for (version, tree) in trees() {
        let (i, _) = boot(Image::load(&build(&tree, Config::Smp)).expect("loads"), &params(4, PERCUSS_FIRST_EMBED));
        exercise(&i, &mut Rng(11), 3_000, 200, false);
        let g = i.globals();
        let words = [
            pair(g.nr_empty_pop_pages.into(), g.atomic_alloc_failed.into()),
            g.nr_populated,
            g.nr_alloc,
            g.nr_dealloc,
            g.nr_cur_alloc,
            g.nr_max_alloc,
            pair(g.nr_chunks.into(), g.nr_max_chunks.into()),
            pair(g.min_alloc_size as i64, g.max_alloc_size as i64),
        ];
        let mut h = words.into_iter().fold(0x70, mix);
        let mut sum = 0u64;
        i.visit_all(|c| {
            let id = c.base_addr.wrapping_sub(i.host().arena.static_image) + c.is_reserved as u64;
            if c.slot >= 0 {
                h = mix(h, (c.slot as u64) << 48 ^ id);
            }
            let header = [
                id,
                pair(c.free_bytes.into(), c.nr_empty_pop_pages.into()),
                pair(c.nr_populated.into(), c.nr_pages.into()),
                pair(c.nr_alloc.into(), (c.immutable | c.isolated << 1).into()),
                c.max_alloc_size,
            ];
            let part = md(header.into_iter().fold(0x63, mix), &c.md);
            let blocks = c.blocks().iter().zip(0..).map(|(b, i)| md(mix(0x62, i), b)).fold(0, u64::wrapping_add);
            let words = |map: &[u64]| {
                let set = map.iter().zip(0..).filter(|(w, _)| **w != 0);
                set.map(|(w, i)| mix(mix(0x77, i), *w)).fold(0, u64::wrapping_add)
            };
            let parts = [blocks, words(c.alloc_map()), words(c.bound_map()), words(c.populated())];
            sum = sum.wrapping_add(parts.into_iter().fold(part, mix));
        });
        assert_eq!(i.digest_all(), mix(h, sum), "{version}");
    }
}
