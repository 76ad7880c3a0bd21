// SPDX-License-Identifier: GPL-2.0-only
//! Interleavings of runs of the Model, as reports show them: a column for each task, and a row for each stretch that
//! one of them ran. Pinned as snapshots, because only a reader can say whether the columns are understood.

use percuss::judge::ModelRun;
use percuss::judge::interleaving::Interleaving;
use percuss::model::{Facts, Quirks};
use percuss::program::Program;
use percuss::report;

fn shown(text: &str, width: usize) -> String {
    let program: Program = text.parse().unwrap();
    let mut run = ModelRun::new(Facts::default(), Quirks::v6_12()).unwrap();
    run.run(&program).unwrap();
    let rows = Interleaving::of(&program, run.session.shared().host.world().events());
    let text = report::interleaving(&rows, None, width);
    // A line that is wider wraps in the terminal, and no column below it is where its heading says.
    assert!(text.lines().all(|l| l.chars().count() <= width), "{text}");
    text
}

#[test]
fn two_tasks_and_the_worker() {
    let text = "
task a
  x = alloc 16384
  free x
task b
  balance
  y = alloc 64
schedule a b:6 a:4 b:30 a
";
    insta::assert_snapshot!(shown(text, 80));
}

#[test]
fn a_deadlock() {
    // Neither task ever ends: the table has to show what each waits for.
    let text = "
unsafe-caller
task a
  lock fs
  lock io
task b
  lock io
  lock fs
schedule a b
";
    insta::assert_snapshot!(shown(text, 80));
}

#[test]
fn four_tasks_in_eighty_columns() {
    let text = "
task a
  v0 = alloc 32768
task b
  v1 = alloc 32768 gfp GFP_NOIO|__GFP_NORETRY|__GFP_NOWARN
task c
  v2 = alloc 8192
task d
  atomic-begin
  v3 = alloc 32768 gfp GFP_NOWAIT
  atomic-end
schedule a:7 b:6 c:9 d:5 a:20 d d
";
    insta::assert_snapshot!(shown(text, 80));
}

#[test]
fn kswapd_and_a_shrinker() {
    let text = "
memory free=4 reserve=2 clean=2
task a
  x = alloc 32768
task b
  y = alloc 16
shrinker gated objects=3
  lock fs
  unlock fs
schedule a:30 b:3 kswapd:4 a:9 kswapd a
";
    insta::assert_snapshot!(shown(text, 100));
}

#[test]
fn interrupt_handlers_inside_an_op_and_between_two() {
    let text = "
task a
  x = alloc 32768
  free x
handler hard
  y = alloc 16 gfp GFP_ATOMIC
handler soft
  free y
schedule a:3 !0 a !1 a
";
    insta::assert_snapshot!(shown(text, 80));
}
