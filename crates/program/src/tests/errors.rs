// SPDX-License-Identifier: GPL-2.0-only
//! What the parser says of mistakes.

use super::super::Program;
use percuss_kernel::limits;

/// The message with the text at fault, and the help.
fn error(text: &str) -> String {
    let e = text.parse::<Program>().expect_err("this text is wrong");
    let help = e.help.as_deref().map(|h| format!(" ({h})")).unwrap_or_default();
    format!("{e} [{}]{help}", &text[e.span()])
}

#[test]
fn words() {
    insta::assert_snapshot!(error("task a\n  x = aloc 64"), @"line 2, column 7: expected an op or a directive, found `aloc` [aloc] (did you mean `alloc`?)");
    insta::assert_snapshot!(error("bot cpus=4"), @"line 1, column 1: expected an op or a directive, found `bot` [bot] (did you mean `boot`?)");
    insta::assert_snapshot!(error("task a\n  x = alloc"), @"line 2, column 12: expected a size in bytes, such as 512 or 8K, found the end of the line []");
    insta::assert_snapshot!(error("task a\n  x = alloc 64Q"), @"line 2, column 13: expected a size in bytes, such as 512 or 8K, found `64Q` [64Q]");
    insta::assert_snapshot!(error("task a\n  x = alloc 64 aling 8"), @"line 2, column 16: expected the end of the line, found `aling` [aling] (did you mean `align`?)");
    insta::assert_snapshot!(error("task a\n  x = alloc 64 gfp GFP_NOWAIT|GFP_ATOMC"), @"line 2, column 31: expected a gfp flag or a mask, found `GFP_ATOMC` [GFP_ATOMC] (did you mean `GFP_ATOMIC`?)");
    insta::assert_snapshot!(error("task a\n  alloc 64"), @"line 2, column 11: expected a variable to assign [] (write `x = alloc …`)");
    insta::assert_snapshot!(error("task a\n  x = free y"), @"line 2, column 3: this op returns nothing to assign [x]");
    insta::assert_snapshot!(error("task a\n  free 7"), @"line 2, column 8: expected a variable, found `7` [7]");
    insta::assert_snapshot!(error("task a\n  enter noi"), @"line 2, column 9: expected a scope (noio, nofs, memalloc), found `noi` [noi] (did you mean `noio`?)");
    insta::assert_snapshot!(error("task a\n  memcg 4"), @"line 2, column 9: expected a memcg, 0 to 3, found `4` [4]");
    insta::assert_snapshot!(error("task one\n  signal on"), @"line 2, column 10: expected a task's name, found `on` [on] (did you mean `one`?)");
    insta::assert_snapshot!(error("task a\n  phys x +65536"), @"line 2, column 10: expected an offset, +0 to +65535, found `+65536` [+65536]");
    insta::assert_snapshot!(error("task a\nfault page nth=2"), @"line 2, column 7: expected a site (kmalloc, vmalloc, pages, vmareas, pagetables, charge, memblock), found `page` [page] (did you mean `pages`?)");
    insta::assert_snapshot!(error("task a\nfault pages nth=0"), @"line 2, column 13: expected nth=N or times=N (1 or more; times=all), found `nth=0` [nth=0] (did you mean `nth=1`?)");
}

#[test]
fn structure() {
    insta::assert_snapshot!(error(""), @"line 1, column 1: a program has at least one task [] (start one with `task a`)");
    insta::assert_snapshot!(error("balance"), @"line 1, column 1: `balance` belongs to no task [balance] (start a task with `task a` before the first op)");
    insta::assert_snapshot!(error("task one\nschedule one on"), @"line 2, column 14: the schedule names `on`, which is no task [on] (did you mean `one`?)");
    insta::assert_snapshot!(error("task a\nboot\nboot"), @"line 3, column 1: a second `boot` [boot]");
    insta::assert_snapshot!(error("task a\nschedule a:0"), @"line 2, column 10: expected a task's name, NAME:POINTS or NAME*COUNT, found `a:0` [a:0]");
    insta::assert_snapshot!(error("task a\nschedule a b:3"), @"line 2, column 12: the schedule names `b`, which is no task [b:3] (did you mean `a`?)");
    insta::assert_snapshot!(error("task a\nschedule a !0"), @"line 2, column 12: the schedule fires `!0`, which is no handler [!0] (handlers are numbered from `!0` on, and run to their end)");
    insta::assert_snapshot!(error("task a\nhandler hart"), @"line 2, column 9: expected a kind of interrupt (hard, soft), found `hart` [hart] (did you mean `hard`?)");
    insta::assert_snapshot!(error("task a:1"), @"line 1, column 6: expected the task's name, found `a:1` [a:1]");
    let many: String = (0..10_000).map(|i| format!("task t{i}\n")).collect();
    insta::assert_snapshot!(error(&many), @"line 17, column 6: more than 16 tasks [t16]");
    let many: String = (0..=limits::TASKS).map(|i| format!("task t{i}\n")).collect();
    insta::assert_snapshot!(error(&many), @"line 17, column 6: more than 16 tasks [t16]");
    let many: String = (0..=limits::OPS).map(|_| "nr-pages\n").collect();
    insta::assert_snapshot!(error(&format!("task a\n{many}")), @"line 65538, column 1: more than 65536 ops [nr-pages]");
    let many: String = (0..257).map(|i| format!("free x{i}\n")).collect();
    insta::assert_snapshot!(error(&format!("task a\n{many}")), @"line 258, column 6: more than 256 variables with `x256` [x256]");
    insta::assert_snapshot!(error("task a\nschedule a*70000"), @"line 2, column 10: more than 65536 schedule entries [a*70000]");
}

#[test]
fn geometry() {
    insta::assert_snapshot!(error("boot cpu=4\ntask a"), @"line 1, column 6: expected a parameter of boot, found `cpu` [cpu] (did you mean `cpus`?)");
    insta::assert_snapshot!(error("boot cpus=65\ntask a"), @"line 1, column 11: expected a count, 1 to 64, or a list of CPUs such as 0-3,6, found `65` [65]");
    insta::assert_snapshot!(error("boot cpus=2 groups=3\ntask a"), @"line 1, column 20: impossible geometry: groups is 3; must be at most the number of possible CPUs [3]");
    insta::assert_snapshot!(error("boot atom=12K\ntask a"), @"line 1, column 11: impossible geometry: atom is 12288; must be a power of two [12K]");
    insta::assert_snapshot!(error("boot unit=64K\ntask a"), @"line 1, column 11: impossible geometry: unit is 65536; can be chosen with first=info only [64K]");
    insta::assert_snapshot!(error("boot first=info unit=32K static=16K\ntask a"), @"line 1, column 22: impossible geometry: unit is 32768; must hold static, reserved and dyn (at least 20K) and 32K, or be 0 for the smallest that does [32K]");
    insta::assert_snapshot!(error("boot first=embd\ntask a"), @"line 1, column 12: expected embed, page or info, found `embd` [embd] (did you mean `embed`?)");
    insta::assert_snapshot!(error("boot dyn=1M static=1M reserved=4K\ntask a"), @"line 1, column 10: impossible geometry: dyn is 1048576; must leave static, reserved and dyn together at most 2M [1M]");
}

#[test]
fn contract() {
    insta::assert_snapshot!(error("task a\n atomic-begin\n x = alloc 64\n atomic-end"), @"line 3, column 6: caller error, rule 1: no allocation that may sleep (`__GFP_DIRECT_RECLAIM`) with preemption disabled [alloc] (mark the program `unsafe-caller` if it means to break the caller contract)");
    insta::assert_snapshot!(error("task a\n enter noio"), @"line 2, column 2: caller error, rule 6: gfp scopes are left innermost first, none is left that was not entered, all are left before the task ends, and they are at most 8 deep [enter] (mark the program `unsafe-caller` if it means to break the caller contract)");
    insta::assert_snapshot!(error("boot cpus=2-3\ntask a\n phys x cpu 1"), @"line 3, column 2: caller error, rule 9: only copies of possible CPUs are addressed [phys] (mark the program `unsafe-caller` if it means to break the caller contract)");
    let marked: Program = "unsafe-caller\ntask a\n irq-off\n x = alloc 64\n balance".parse().unwrap();
    let broken: Vec<(u8, usize)> = marked.violations().iter().map(|v| (v.rule.number, v.op)).collect();
    assert_eq!(broken, [(2, 1), (3, 2), (8, 3)]);
}

#[test]
fn caret() {
    // As the CLI shows it.
    let e = "task a\n  x = alloc 64 gfp GFP_KERNL\n".parse::<Program>().unwrap_err();
    let mut out = String::new();
    miette::NarratableReportHandler::new().render_report(&mut out, &e).unwrap();
    assert!(out.contains("GFP_KERNEL") && out.contains("line 2"), "{out}");
    let mut out = String::new();
    let theme = miette::GraphicalTheme::unicode_nocolor();
    miette::GraphicalReportHandler::new_themed(theme).with_links(false).render_report(&mut out, &e).unwrap();
    insta::assert_snapshot!(out, @"

      × line 2, column 20: expected a gfp flag or a mask, found `GFP_KERNL`
       ╭─[2:20]
     1 │ task a
     2 │   x = alloc 64 gfp GFP_KERNL
       ·                    ────┬────
       ·                        ╰── here
       ╰────
      help: did you mean `GFP_KERNEL`?
    ");
}
