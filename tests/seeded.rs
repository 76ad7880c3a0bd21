// SPDX-License-Identifier: GPL-2.0-only
//! Seeded bugs: each fires the oracle it is there for, and the tree without it is silent on the same programs.

mod common;

use percuss::campaign::{Extent, Progress, generated, minimize, span};
use percuss::edit::Edit;
use percuss::image::{Image, ImageSpec};
use percuss::judge::{Batch, Found, Like, Oracles};
use percuss::oracle::OracleKind;
use percuss::program::Program;
use percuss::worker::Setup;

/// Programs of the first step of a search; every step is twice as long as all before.
const STEP: u64 = 16;
/// Programs after which a bug is not found: about as many as a check of ten seconds runs.
const MOST: u64 = 3000;
/// Ops of a program that a person reads.
const SMALL: usize = 12;

/// A bug, the edits of the tree it is put into, and the oracles that must object.
struct Case {
    name: &'static str,
    base: Vec<String>,
    oracles: Vec<OracleKind>,
}

impl Case {
    fn new(name: &'static str, base: &[&str], oracles: &[OracleKind]) -> Case {
        Case { name, base: base.iter().map(|e| (*e).to_owned()).collect(), oracles: oracles.to_vec() }
    }

    /// As the bug's file says, base and oracles.
    fn of_file(name: &'static str) -> Case {
        let edit = Edit::load(name).unwrap();
        Case { name, base: edit.base.into_iter().collect(), oracles: edit.oracles }
    }
}

/// Images of a case; both are judged by the quirks of the one without the bug.
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
        // Else the Model would be made to have the bug too, where a quirk is like it.
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

/// The first finding of the oracles in programs from 0 on, and how many programs were run for it.
fn search(setup: &Setup, case: &Case) -> (Found, u64) {
    let mut seen: Vec<String> = Vec::new();
    let mut to = 0;
    while to < MOST {
        let from = to;
        to = (from * 3).clamp(STEP, MOST);
        let batch = span(setup, from, to).unwrap();
        assert_eq!(batch.programs, to - from);
        if let Some(f) = new(&batch, &case.oracles).min_by_key(|f| f.index) {
            return (f.clone(), to);
        }
        seen.extend(batch.found.into_iter().map(|f| f.finding.title));
    }
    seen.sort();
    seen.dedup();
    panic!("{}: {:?} does not object in {MOST} programs; seen: {seen:#?}", case.name, case.oracles);
}

/// The tree without the bug is silent, and the one with it is not, in the same programs.
fn fires(pair: &Pair, case: &Case) -> Found {
    let (found, programs) = search(&pair.edited, case);
    eprintln!("{}: {} in program {}: {}", case.name, found.finding.oracle.name(), found.index, found.finding.title);
    let silent = generated(&pair.base, Extent::Programs(programs), 1, &Progress::default()).unwrap();
    assert_eq!(silent.programs, programs);
    // The order of locks, the stalls and the warnings without a limit that the tree shows anyway are accounted for by the Model only.
    let accounted = |f: &Found| {
        !pair.base.oracles.has(OracleKind::Lockstep)
            && (matches!(f.finding.oracle, OracleKind::LockOrder | OracleKind::Stall)
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
    zeroing_leaves_a_cpu_out: "zero-cpu-short";
    zeroing_leaves_a_word_out: "zero-unit-short";
    zeroing_goes_too_far: "zero-unit-long";
    somebody_writes_to_the_area_before: "stray-edge";
    somebody_writes_inside_a_large_area: "stray-inside";
}

/// The cycle that work queued under pcpu_lock closes takes an allocation of the scheduler.
#[test]
fn b13_closes_a_cycle_through_the_scheduler() {
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

/// Known lock order stays known in a program that the Model does not follow: it shows that by itself.
#[test]
fn known_order_beside_a_divergence_is_known() {
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

/// What a finding is reported with is short enough to read.
#[test]
fn b34_is_made_small() {
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
