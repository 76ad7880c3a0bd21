// SPDX-License-Identifier: GPL-2.0-only
//! Seeded bugs: each fires the oracle it is there for, and the tree without it is silent on the same programs.
//!
//! This is the test of the oracles. An oracle that objects to nothing passes every other test, and one that objects to
//! a correct tree fails here.

mod common;

use percuss::campaign::{Extent, Progress, generated, minimize, span};
use percuss::edit::Edit;
use percuss::image::{Image, ImageSpec};
use percuss::judge::{Batch, Found, Like, Oracles};
use percuss::oracle::OracleKind;
use percuss::program::Program;
use percuss::worker::Setup;

/// Programs of the first step of a search; every step is twice as long as all before. Most bugs show in the first few
/// programs, so a search seldom runs more than it needs.
const STEP: u64 = 16;
/// Programs after which a bug counts as not found: about as many as a check of ten seconds runs. A bug that takes
/// longer would go unnoticed by a developer who runs `percuss check` once.
const MOST: u64 = 3000;
// As many ops as a reader of a report can follow; minimizing has to get below.
const SMALL: usize = 12;

/// What one test asks: that a bug, put into a tree with the edits of `base`, makes at least one of `oracles` object.
/// An objection of another oracle does not count, so that no oracle rests on what its neighbour sees.
struct Case {
    name: &'static str,
    base: Vec<String>,
    oracles: Vec<OracleKind>,
}

impl Case {
    fn new(name: &'static str, base: &[&str], oracles: &[OracleKind]) -> Case {
        Case { name, base: base.iter().map(|e| (*e).to_owned()).collect(), oracles: oracles.to_vec() }
    }

    fn of_file(name: &'static str) -> Case {
        let edit = Edit::load(name).unwrap();
        Case { name, base: edit.base.into_iter().collect(), oracles: edit.oracles }
    }
}

/// The images of a case without and with the bug. Both are judged by the quirks of the one without it: a probe of the
/// other could take the bug for a quirk of its tree, and the Model would be given it.
struct Pair {
    _images: [Image; 2],
    base: Setup,
    edited: Setup,
}

impl Pair {
    fn build(case: &Case) -> Pair {
        let spec = |edits: Vec<String>| ImageSpec { tree: "6.12".into(), edits, ..ImageSpec::default() };
        let without = case.base.clone();
        let with = without.iter().cloned().chain([case.name.to_owned()]).collect();
        let images = [without, with].map(|edits| Image::build(&spec(edits)).unwrap());
        let [base, mut edited] = images.each_ref().map(|image| {
            let mut setup = image.setup(1, Oracles::default());
            setup.worker = Some(env!("CARGO_BIN_EXE_percuss").into());
            setup
        });
        // The worker judges by what stands in its setup, not by a probe of its own.
        edited.quirks = base.quirks;
        Pair { _images: images, base, edited }
    }

    fn with(&mut self, oracles: Oracles) {
        self.base.oracles = oracles;
        self.edited.oracles = oracles;
    }
}

fn new<'b>(batch: &'b Batch, oracles: &'b [OracleKind]) -> impl Iterator<Item = &'b Found> {
    batch.found.iter().filter(|f| f.finding.quirk.is_none() && oracles.contains(&f.finding.oracle))
}

/// Runs programs from number 0 on until one of the case's oracles objects, and returns the first finding with the
/// number of programs that were run. The number is for the tree without the bug, which has to be silent on as many.
/// Panics after [`MOST`] programs, with the titles of everything that other oracles found.
fn search(setup: &Setup, case: &Case) -> (Found, u64) {
    let mut seen: Vec<String> = Vec::new();
    let mut to = 0;
    while to < MOST {
        let from = to;
        to = (from * 3).clamp(STEP, MOST);
        let batch = span(setup, from, to).unwrap();
        assert_eq!(batch.programs, to - from);
        // The lowest index, so that the result does not depend on the order in which a batch lists its findings.
        if let Some(f) = new(&batch, &case.oracles).min_by_key(|f| f.index) {
            return (f.clone(), to);
        }
        seen.extend(batch.found.into_iter().map(|f| f.finding.title));
    }
    seen.sort();
    seen.dedup();
    panic!("{}: {:?} does not object in {MOST} programs; seen: {seen:#?}", case.name, case.oracles);
}

/// Asserts that the oracles object to the tree with the bug, and that none objects to the tree without it in as many
/// programs. A finding that a quirk accounts for is no objection.
fn fires(pair: &Pair, case: &Case) -> Found {
    let (found, programs) = search(&pair.edited, case);
    eprintln!("{}: {} in program {}: {}", case.name, found.finding.oracle.name(), found.index, found.finding.title);
    let silent = generated(&pair.base, Extent::Programs(programs), 1, &Progress::default()).unwrap();
    assert_eq!(silent.programs, programs);
    // The trees themselves have cycles of locks, stalls, requests that fail without need and
    // warnings beyond the limit. That these are known is found
    // out by comparing with the Model's run, so without lockstep they look new.
    let accounted = |f: &Found| {
        !pair.base.oracles.has(OracleKind::Lockstep)
            && (matches!(f.finding.oracle, OracleKind::LockOrder | OracleKind::Stall | OracleKind::Liveness)
                || f.finding.title.ends_with("than the limit"))
    };
    let named = |f: &&Found| case.oracles.contains(&f.finding.oracle) || !accounted(f);
    let objections: Vec<&Found> = silent.found.iter().filter(|f| f.finding.quirk.is_none()).filter(named).collect();
    assert!(objections.is_empty(), "without {}: {objections:#?}", case.name);
    found
}

fn check(case: &Case) {
    if common::tree().is_none() {
        return;
    }
    let mut pair = Pair::build(case);
    fires(&pair, case);
    if !case.oracles.contains(&OracleKind::Lockstep) {
        // The oracle sees it by itself, not only beside a Model that ran differently.
        pair.with(Oracles::without(OracleKind::Lockstep));
        fires(&pair, case);
    }
}

// A test for each bug, so that a failure names it and one can be run alone. The oracles stand here where fewer are
// asked for than the bug's file names: each of the listed kind has to see the bug without the help of the others.
macro_rules! seeded {
    ($($(#[$attribute:meta])* $test:ident: $name:literal on $base:expr => $($oracle:ident)|+;)*) => {
        $(
            #[test]
            $(#[$attribute])*
            fn $test() {
                check(&Case::new($name, &$base, &[$(OracleKind::$oracle),+]));
            }
        )*
    };
}

seeded! {
    b01_atomic_by_kernel_bits: "B01" on [] => Context;
    b03a_scopes_count_as_atomic: "B03a" on [] => Lockstep;
    b11_interrupts_come_back_on: "B11" on [] => Context;
    b17_empty_count_outside_the_lock: "B17" on [] => Invariants;
    b18_reserved_pages_count: "B18" on [] => Invariants;
    b21_depopulated_pages_count: "B21" on [] => Invariants;
    b23_largest_area_taken_for_the_freed: "B23" on [] => Invariants;
    b28_search_skips_areas: "B28" on [] => Lockstep;
    b30_no_end_mark: "B30" on [] => Invariants;
    b32_no_flush_after_depopulating: "B32" on [] => Mapping;
    b33a_isolated_pages_count: "B33a" on [] => Invariants;
    b33b_reintegrated_pages_do_not_count: "B33b" on [] => Invariants;
    b33d_first_page_stays: "B33d" on [] => Invariants;
    b33f_isolated_chunk_moves: "B33f" on ["fix-B24"] => Invariants;
    b34_pages_of_another_chunk_freed: "B34" on [] => Ledger | Mapping;
    b35_no_flush_after_failed_mapping: "B35" on [] => Mapping;
    b40_charged_too_little: "B40" on [] => Lockstep;
    b41_size_without_accounting: "B41" on [] => Lockstep;
    b43_odd_alignments: "B43" on [] => Content;
    a_chunk_is_sidelined_without_the_lock: "list-move-unlocked" on [] => Invariants;
    a_new_chunk_is_listed_without_the_lock: "relocate-unlocked" on [] => Invariants;
    a_map_is_written_beyond_its_end: "bound-map-short" on [] => Ledger;
    b46_offset_in_page_lost: "B46" on [] => Content;
}

macro_rules! seeded_as_filed {
    ($($test:ident: $name:literal;)*) => {
        $(
            #[test]
            fn $test() {
                check(&Case::of_file($name));
            }
        )*
    };
}

seeded_as_filed! {
    b02_scopes_are_not_looked_at: "B02";
    b03b_worker_without_scope: "B03b";
    b04_vm_areas_with_gfp_kernel: "B04";
    b05_pages_array_and_page_tables_with_gfp_kernel: "B05";
    b06_backing_with_io_and_fs: "B06";
    b07a_a_killed_task_waits_on: "B07a";
    b07b_nofail_gives_up: "B07b";
    b09_free_takes_the_mutex: "B09";
    b13_work_scheduled_under_the_lock: "B13";
    lost_wakeup: "lost-wakeup";
    chunks_reclaim: "chunk-reclaims";
    depopulating_allocates: "depopulate-allocates";
    a_held_lock_is_freed: "held-lock-freed";
    a_lock_is_not_safe_from_interrupts: "irq-unsafe-lock";
    two_mutexes_in_two_orders: "locks-cross";
    an_atomic_failure_queues_no_work: "atomic-no-work";
    the_worker_takes_from_the_reserves: "worker-reserves";
    a_trace_event_has_a_wrong_offset: "trace-offset";
    zeroing_leaves_a_cpu_out: "zero-cpu-short";
    zeroing_leaves_a_word_out: "zero-unit-short";
    zeroing_goes_too_far: "zero-unit-long";
    a_stray_write_before_the_area: "stray-edge";
    a_stray_write_inside_a_large_area: "stray-inside";
}

#[test]
fn b13_closes_a_cycle_through_the_scheduler() {
    // Queueing work takes the pool's lock, and the wake-up after it the locks of the scheduler. The cycle is closed
    // only by a scheduler that allocates percpu memory with its own locks held, which this program has and generated
    // ones seldom do.
    if common::tree().is_none() {
        return;
    }
    let pair = Pair::build(&Case::new("B13", &[], &[OracleKind::LockOrder]));
    let program: Program = include_str!("../corpora/lockstep/work-under-the-lock.percuss").parse().unwrap();
    let says = |setup: &Setup| -> Vec<String> {
        let found = percuss::campaign::one(setup, &program).unwrap().found;
        found.into_iter().filter(|f| f.finding.oracle == OracleKind::LockOrder).map(|f| f.finding.title).collect()
    };
    assert_eq!(says(&pair.base), Vec::<String>::new());
    let cycle = "&p->pi_lock --> &rq->__lock --> pcpu_lock --> &pool->lock";
    assert!(matches!(&says(&pair.edited)[..], [title] if title.ends_with(cycle)));
}

#[test]
fn known_order_beside_a_divergence_is_known() {
    // After B11 diverges from the Model nothing can be compared any more. The order of locks later in the program must
    // still be attributed to the tree's quirks, or every divergence would bring a false report of a new cycle with it.
    if common::tree().is_none() {
        return;
    }
    let pair = Pair::build(&Case::new("B11", &[], &[OracleKind::Context]));
    let text = "boot cpus=4\ntask a\n  irq-off\n  v0 = alloc 8 gfp GFP_NOWAIT\n  irq-on\n  lock fs\n  \
                v1 = alloc 8 gfp GFP_NOFS\n  unlock fs\n  v2 = alloc 24K gfp GFP_KERNEL\n";
    let found = percuss::campaign::one(&pair.edited, &text.parse().unwrap()).unwrap().found;
    let of = |oracle| found.iter().filter(move |f| f.finding.oracle == oracle).map(|f| f.finding.quirk);
    assert_eq!(of(OracleKind::Lockstep).collect::<Vec<_>>(), [None]);
    assert_eq!(of(OracleKind::Context).next(), Some(None), "and what is new is new");
    assert!(of(OracleKind::LockOrder).count() > 0 && of(OracleKind::LockOrder).all(|by| by.is_some()), "{found:#?}");
}

#[test]
fn b34_is_made_small() {
    // A finding is reported with its minimized program. That has to be short enough to read, show the same finding, and
    // be silent without the bug, or it explains something else.
    if common::tree().is_none() {
        return;
    }
    let case = Case::new("B34", &[], &[OracleKind::Ledger, OracleKind::Mapping]);
    let pair = Pair::build(&case);
    let (found, _) = search(&pair.edited, &case);
    let program = Program::decode(&found.program);
    let (small, tried) = minimize(&pair.edited, &program, &Like::of(&found.finding), 1000).unwrap();
    eprintln!("{} ops of {} after {tried} programs:\n{small}", small.nr_ops(), program.nr_ops());
    assert!(small.nr_ops() <= SMALL && small.nr_ops() < program.nr_ops(), "{small}");
    let one = percuss::campaign::one(&pair.edited, &small).unwrap();
    assert!(one.found.iter().any(|f| Like::of(&found.finding).matches(&f.finding)), "{small}");
    let silent = percuss::campaign::one(&pair.base, &small).unwrap();
    assert!(new(&silent, &case.oracles).next().is_none(), "{small}");
}
