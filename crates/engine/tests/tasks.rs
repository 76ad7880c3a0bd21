// SPDX-License-Identifier: GPL-2.0-only
//! What belongs to one task only, and what tasks do to each other, on Models.

use percuss_engine::judge::ModelRun;
use percuss_kernel::event::Event;
use percuss_kernel::{DRAIN, Lock, op_is_nested};
use percuss_model::{Facts, Quirks};
use percuss_program::Program;
use percuss_run::Ended;

fn events(text: &str) -> Vec<Event> {
    let mut run = ModelRun::new(Facts::default(), Quirks::v6_12()).unwrap();
    // A program that stops early would have too few events, and a test of what is absent would pass.
    assert_eq!(run.run(&text.parse::<Program>().unwrap()).unwrap(), Ended::Whole);
    run.session.shared().host.world().events().to_vec()
}

fn payers(text: &str) -> Vec<u32> {
    let charge = |e: &Event| if let Event::Charge { objcg, .. } = e { Some(*objcg) } else { None };
    events(text).iter().filter_map(charge).collect()
}

#[test]
fn a_memcg_is_its_tasks() {
    let text = "
task a
  memcg 1
  w = alloc 64 gfp GFP_KERNEL_ACCOUNT
task b
  x = alloc 64 gfp GFP_KERNEL_ACCOUNT
  memcg 2
  y = alloc 64 gfp GFP_KERNEL_ACCOUNT
schedule a b*3 a
";
    assert_eq!(payers(text), [2, 1], "task b has none before its own");
}

#[test]
fn work_of_an_interrupt_is_charged_to_no_task() {
    let text = "
task a
  memcg 1
  interrupt soft
  x = alloc 64 gfp GFP_NOWAIT|__GFP_ACCOUNT
  interrupt-end
  y = alloc 64 gfp GFP_NOWAIT|__GFP_ACCOUNT
";
    assert_eq!(payers(text), [1]);
}

const KILLED: &str = "
task a
  x = alloc 16384
task b
  y = alloc 64 gfp MASK
task c
  signal b
schedule a:4 b c b a
";

/// How the waits for the mutex ended, in order.
fn waits(mask: &str) -> Vec<(bool, bool)> {
    let mutex = |e: &Event| {
        let Event::MutexLock { lock: Lock::AllocMutex, killable, taken } = *e else { return None };
        Some((killable, taken))
    };
    let events = events(&KILLED.replace("MASK", mask));
    assert!(events.contains(&Event::Wait { lock: Lock::AllocMutex }), "task b waits");
    // The drain frees what is left, for which it takes the mutex itself.
    let before_drain = events.iter().take_while(|e| !matches!(e, Event::OpBegin { op: DRAIN }));
    before_drain.filter_map(mutex).collect()
}

#[test]
fn a_killed_task_waits_no_longer_unless_it_must_not_fail() {
    assert_eq!(waits("GFP_KERNEL"), [(true, true), (true, false)], "while task a has the mutex");
    // With this mask the wait is not killable, so the task gets the mutex after the signal.
    assert_eq!(waits("GFP_KERNEL|__GFP_NOFAIL"), [(true, true), (false, true)]);
}

/// Where declared handlers ran, by the number of ops that had ended.
fn interrupts(text: &str) -> Vec<usize> {
    let (mut ended, mut starts) = (0, Vec::new());
    for event in events(text) {
        // Only the first op of a handler counts as its start.
        if matches!(event, Event::OpBegin { op } if op_is_nested(op) && op & 0xff_ffff == 0) {
            starts.push(ended);
        } else if matches!(event, Event::OpEnd { op, .. } if !op_is_nested(op)) {
            ended += 1;
        }
    }
    starts
}

#[test]
fn a_handler_runs_between_ops_and_in_them() {
    let text = "
task a
  x = alloc 64
  free x
handler hard
  y = alloc 64 gfp GFP_ATOMIC
  free y
schedule a:3 !0 a !0 a !0
";
    assert_eq!(interrupts(text), [0, 1, 2]);
}

#[test]
fn an_interrupt_that_cannot_start_is_lost() {
    // An interrupt is fired before each op; those that cannot start leave no event.
    let section = |begin: &str, end: &str, hardness: &str| {
        let text = format!(
            "task a\n {begin}\n nr-pages\n {end}\n nr-pages\nhandler {hardness}\n nr-pages\nschedule !0 a !0 a !0 a !0\n"
        );
        interrupts(&text)
    };
    assert_eq!(section("irq-off", "irq-on", "hard"), [3], "nor before the first turn");
    assert_eq!(section("atomic-begin", "atomic-end", "soft"), [1, 2, 3]);
    assert_eq!(section("interrupt soft", "interrupt-end", "soft"), [3]);
    assert_eq!(section("interrupt soft", "interrupt-end", "hard"), [1, 2, 3]);
    assert_eq!(section("interrupt hard", "interrupt-end", "hard"), [3]);
    assert_eq!(section("lock irq-spin", "unlock irq-spin", "hard"), [3]);
}
