// SPDX-License-Identifier: GPL-2.0-only
//! Two images against each other in one process: an image and itself never part, an edit is found, and a known bug that
//! is fixed is accounted for.

mod common;

use std::fs;

use percuss::fuzz::{Agreement, Crash, Pair, TARGETS, corpus, worthwhile};
use percuss::image::{Image, ImageSpec};
use percuss::program::{Generator, Program};
use percuss_shim as shim;

/// Two images of the 6.12 tree, without and with edits, ready to be compared. None without the tree.
fn pair(edits: &[&str]) -> Option<Pair> {
    common::tree()?;
    let edits = edits.iter().map(|e| (*e).to_owned()).collect();
    let spec = |edits| ImageSpec { tree: "6.12".to_owned(), edits, ..ImageSpec::default() };
    let images = [Vec::new(), edits].map(|edits| Image::build(&spec(edits)).expect("the tree builds"));
    let [before, after] = images.map(|image| shim::Image::load(&image.path).expect("loads"));
    Some(Pair::of(before, after).expect("memory"))
}

fn programs(generated: u64) -> impl Iterator<Item = Program> {
    let target = TARGETS.iter().find(|t| t.name == "patched").expect("a target");
    let seeds = corpus::seeds(&common::checkout().join("corpora").join(target.name)).expect("a corpus");
    let seeds = seeds.into_iter().map(|path| target.program(&fs::read(path).expect("a seed")).expect("a program"));
    let mut generator = Generator::new(5);
    // Seeds first: they are the shortest way to most differences.
    seeds.chain((0..generated).map(move |i| generator.program(i))).filter(worthwhile)
}

fn found(pair: &mut Pair) -> Option<Box<Crash>> {
    programs(200).find_map(|program| pair.run(&program).err())
}

#[test]
fn an_image_and_itself_do_not_part() {
    let Some(mut pair) = pair(&[]) else { return };
    assert!(pair.known().is_empty(), "{}", pair.known());
    for program in programs(300) {
        let agreement = pair.run(&program).unwrap_or_else(|crash| panic!("{}\n{program}", crash.report()));
        assert_eq!(agreement, Agreement::Same);
    }
}

#[test]
fn an_edit_is_found() {
    let Some(mut pair) = pair(&["B33a"]) else { return };
    let crash = found(&mut pair).expect("a difference");
    let parts = crash.findings.iter().find(|f| f.title.starts_with("percuss: the patched tree parts at "));
    let detail = parts.unwrap_or_else(|| panic!("{}", crash.report())).detail.to_string();
    assert!(detail.contains("\nbefore: ") && detail.contains("\nafter: "), "{detail}");
    // It is found again, and what the images did before changes nothing.
    let again = pair.run(&crash.program).expect_err("the same difference");
    assert_eq!(again.findings, crash.findings);
    let small = pair.minimize(&crash);
    assert!(small.nr_ops() <= 4 && small.nr_ops() <= crash.program.nr_ops(), "{small}");
    let same = pair.run(&small).expect_err("the same difference");
    assert_eq!(same.findings[0].title, crash.findings[0].title);
}

#[test]
fn what_an_oracle_says_of_one_is_a_difference() {
    // A write beside the area is no event, so the two logs are equal: only an oracle on the patched image sees it.
    let Some(mut pair) = pair(&["stray-edge"]) else { return };
    let crash = found(&mut pair).expect("a difference");
    assert_eq!(crash.findings[0].oracle.name(), "content", "{}", crash.report());
}

#[test]
fn a_fix_is_accounted_for() {
    let Some(mut pair) = pair(&["fix-B24"]) else { return };
    assert_eq!(pair.known().to_string(), "known differences: -B24");
    let mut accounted = 0;
    for program in programs(200) {
        let agreement = pair.run(&program).unwrap_or_else(|crash| panic!("{}\n{program}", crash.report()));
        // Not every program reaches the fix, so most simply agree.
        accounted += u32::from(agreement == Agreement::Accounted);
    }
    assert!(accounted > 0, "no program shows B24");
}

#[test]
fn an_edit_beside_a_fix_is_found() {
    // What a known fix accounts for must not extend to a bug that comes with it in the same patch.
    let Some(mut pair) = pair(&["fix-B24", "B33a"]) else { return };
    assert!(found(&mut pair).is_some());
}
