// SPDX-License-Identifier: GPL-2.0-only
//! What a change gains is new: each quirk, brought into a tree that has it not, is said to be the change's.
//!
//! Without this a patch that brings back a known bug would get "nothing new": the probe finds the quirk, the Model
//! takes it on, and every finding is a known one.

mod common;

use std::path::PathBuf;
use std::sync::Arc;

use common::patch::{self, Edit, c, vm};
use percuss::image::{Image, ImageSpec};
use percuss::model::{Quirk, Quirks};
use percuss::tree::Tree;
use serde_json::Value;
use tempfile::TempDir;

/// A tree and what is applied to it.
#[derive(Clone, Copy)]
struct State {
    tree: &'static str,
    variant: Option<&'static str>,
    edits: &'static [&'static str],
    patch: &'static [Edit],
}

const V6_12: State = State { tree: "6.12", variant: None, edits: &[], patch: &[] };
const V6_1: State = State { tree: "6.1", ..V6_12 };

const fn edit(names: &'static [&'static str]) -> State {
    State { edits: names, ..V6_12 }
}

const fn variant(name: &'static str) -> State {
    State { variant: Some(name), ..V6_12 }
}

const fn patched(edits: &'static [Edit]) -> State {
    State { patch: edits, ..V6_12 }
}

/// A change from one state to another, and all that it gains.
struct Case {
    before: State,
    after: State,
    gains: &'static [Quirk],
}

const fn case(before: State, after: State, gains: &'static [Quirk]) -> Case {
    Case { before, after, gains }
}

/// Defects of 6.12, brought back by undoing our fix of each.
const UNFIXED: &[Case] = &[
    case(edit(&["fix-B24"]), V6_12, &[Quirk::B24]),
    case(edit(&["fix-B25"]), V6_12, &[Quirk::B25]),
    case(edit(&["fix-B26"]), V6_12, &[Quirk::B26]),
    case(edit(&["fix-B50"]), V6_12, &[Quirk::B50]),
    // Without scan hints, as this fix has it, there is nothing that B26 and B50 could spoil.
    case(edit(&["fix-B51"]), V6_12, &[Quirk::B26, Quirk::B50, Quirk::B51]),
    case(edit(&["fix-B14"]), V6_12, &[Quirk::B14]),
    case(edit(&["fix-B15"]), V6_12, &[Quirk::B15]),
];

/// Defects that 6.12 has no longer.
const OLD: &[Case] = &[
    case(V6_12, V6_1, &[Quirk::B36, Quirk::WarnLimitSleepable, Quirk::B41]),
    case(V6_12, edit(&["B36"]), &[Quirk::B36]),
    case(V6_12, edit(&["B41"]), &[Quirk::B41]),
    case(V6_12, edit(&["B03a"]), &[Quirk::B03]),
    case(V6_12, variant("pre-9a5b183"), &[Quirk::B03, Quirk::B03b]),
    case(variant("v4"), edit(&["B03b"]), &[Quirk::B03b]),
    case(
        V6_12,
        patched(&[c("pcpu_alloc_noprof", "if (do_warn && warn_limit)", "if (!is_atomic && do_warn && warn_limit)")]),
        &[Quirk::WarnLimitSleepable],
    ),
];

/// What masks and scopes a tree has for backing memory.
const MASKS: &[Case] = &[
    // The edits contain the variant, so each differs from it in one place.
    case(variant("v4"), edit(&["B04"]), &[Quirk::B04]),
    case(variant("v4"), edit(&["B05"]), &[Quirk::B05]),
    case(variant("v4"), edit(&["B06"]), &[Quirk::B06]),
    case(variant("v4"), variant("v4-nofail"), &[Quirk::BackingNofail]),
    case(variant("v4"), variant("v4-scope"), &[Quirk::NoreclaimScope]),
    case(V6_12, variant("scopes"), &[Quirk::CallerScopes]),
    case(variant("v4"), V6_12, &[Quirk::B04, Quirk::B05, Quirk::B06]),
];

/// Where locks are held. No tree that we have lacks these, so what was before is an edit of this test only.
const LOCKS: &[Case] = &[
    case(
        patched(&[
            c("pcpu_alloc_noprof", "unsigned long flags;", "{}\n\tbool low;"),
            c(
                "pcpu_alloc_noprof",
                "pcpu_stats_area_alloc(chunk, size);",
                "{}\n\tlow = pcpu_nr_empty_pop_pages < PCPU_EMPTY_POP_PAGES_LOW;",
            ),
            // The second release of the lock is the one after an area is found.
            c(
                "pcpu_alloc_noprof",
                "spin_unlock_irqrestore(&pcpu_lock, flags);",
                "{}\n\tif (low)\n\t\tpcpu_schedule_balance_work();",
            )
            .nth(2),
            c("pcpu_alloc_noprof", "if (pcpu_nr_empty_pop_pages < PCPU_EMPTY_POP_PAGES_LOW)", "if (false)"),
        ]),
        edit(&["fix-B14"]),
        &[Quirk::QueueUnderLock],
    ),
    case(
        patched(&[
            c("pcpu_alloc_noprof", "chunk = pcpu_create_chunk(pcpu_gfp);", OUTSIDE),
            c("pcpu_alloc_noprof", "ret = pcpu_populate_chunk(chunk, rs, re, pcpu_gfp);", OUTSIDE),
            c("pcpu_balance_populated", "chunk = pcpu_create_chunk(gfp);", OUTSIDE),
            c("pcpu_balance_populated", "ret = pcpu_populate_chunk(chunk, rs, rs + nr, gfp);", OUTSIDE),
            vm("pcpu_get_pages", "lockdep_assert_held(&pcpu_alloc_mutex);", ""),
        ]),
        V6_12,
        &[Quirk::BackingUnderMutex],
    ),
];

/// A statement without the mutex. Two callers may then populate one page: it is to be probed and not to be used.
const OUTSIDE: &str = "mutex_unlock(&pcpu_alloc_mutex);\n{}\nmutex_lock(&pcpu_alloc_mutex);";

impl State {
    fn spec(&self, dir: &TempDir) -> ImageSpec {
        let mut patches: Vec<PathBuf> = Vec::new();
        if !self.patch.is_empty() {
            let tree = Tree::resolve(self.tree, &common::checkout()).unwrap();
            patches.push(dir.path().join("test.patch"));
            std::fs::write(&patches[0], patch::diff(&tree, self.patch)).unwrap();
        }
        let edits = self.edits.iter().map(|name| (*name).to_owned()).collect();
        let variant = self.variant.map(str::to_owned);
        ImageSpec { tree: self.tree.to_owned(), patches, variant, edits, ..ImageSpec::default() }
    }
}

fn gains(cases: &[Case]) {
    if !common::has_trees() {
        return;
    }
    for Case { before, after, gains } in cases {
        // A directory each: both patches have the same name.
        let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
        let mut base = Image::build(&ImageSpec { patches: Vec::new(), ..before.spec(&dirs[0]) }).unwrap();
        if !before.patch.is_empty() {
            // A patch of this test is probed as any other: against the tree that it changes.
            base = Image::build_after(&before.spec(&dirs[0]), &Arc::new(base)).unwrap();
        }
        let base = Arc::new(base);
        let changed = Image::build_after(&after.spec(&dirs[1]), &base).unwrap();
        let wanted: Quirks = gains.iter().copied().collect();
        assert_eq!(changed.gained(), wanted, "{} after {}, of {:?}", changed.quirks, base.quirks, base.undecided);
    }
}

#[test]
fn defects_without_their_fix() {
    gains(UNFIXED);
}

#[test]
fn defects_of_older_trees() {
    gains(OLD);
}

#[test]
fn masks_and_scopes() {
    gains(MASKS);
}

#[test]
fn what_is_done_with_locks_held() {
    gains(LOCKS);
}

#[test]
fn every_quirk_has_a_case() {
    let cases = [UNFIXED, OLD, MASKS, LOCKS].into_iter().flatten();
    let all: Quirks = cases.flat_map(|case| case.gains).copied().collect();
    for quirk in Quirk::ALL {
        assert!(all.has(*quirk), "{quirk}: a quirk that nothing brings back might be taken for a known one");
    }
}

/// The command exits with 1 and says it first, to people and to machines.
fn first_said(edit: &str, quirk: Quirk) {
    if common::tree().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().to_str().unwrap();
    // A few programs: the quirk is found by its probe, whether or not one of them shows it.
    let check = ["check", "--edit", edit, "--programs", "50", "--out", out];
    let done = common::percuss(&check);
    assert_eq!(done.code, 1, "{}{}", done.out, done.err);
    let (_, index) = done.out.split_once("\nwhat is wrong\n").unwrap_or_else(|| panic!("{}", done.out));
    let first = index.lines().next().unwrap();
    assert!(first.starts_with(&format!("  1  {quirk} ")), "{first}");
    assert!(first.contains(&format!("the change brings back {quirk}: ")), "{first}");
    let done = common::percuss(&[&check[..], &["--format", "json"]].concat());
    assert_eq!(done.code, 1, "{}", done.err);
    let said: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(said["causes"][0]["quirk"], quirk.name(), "{}", said["causes"]);
}

#[test]
fn the_command_says_b36_first() {
    first_said("B36", Quirk::B36);
}

#[test]
fn the_command_says_b03_first() {
    first_said("B03a", Quirk::B03);
}

#[test]
fn the_command_says_b41_first() {
    first_said("B41", Quirk::B41);
}
