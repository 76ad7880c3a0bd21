// SPDX-License-Identifier: GPL-2.0-only
//! What belongs to one task only, and what tasks do to each other, on Models.

use crate::campaign::ModelRun;
use crate::model::{Facts, Quirks};
use crate::program::Program;
use crate::run::Ended;
use crate::world::event::Event;

fn events(text: &str) -> Vec<Event> {
    let mut run = ModelRun::new(Facts::default(), Quirks::v6_12()).unwrap();
    assert_eq!(run.run(&text.parse::<Program>().unwrap()).unwrap(), Ended::Whole);
    run.session.shared().host.world().events().to_vec()
}

fn payers(text: &str) -> Vec<u32> {
    let charge = |e: &Event| match e {
        Event::Charge { objcg, .. } => Some(*objcg),
        _ => None,
    };
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
fn an_interrupt_is_nobodys_work() {
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
