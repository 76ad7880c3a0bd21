// SPDX-License-Identifier: GPL-2.0-only
//! Lockstep: the first differing event is the divergence.

use super::finding::{Finding, Oracle};
use super::signs::function;
use percuss_kernel::event::Event;
use percuss_kernel::{CONTEXTS, WORKER};
use percuss_program::Program;

/// Where two event streams part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Divergence {
    /// Index of the first differing event.
    pub event: usize,
    /// Number of the op it belongs to.
    pub op: u32,
}

/// The first difference, or None when the streams are equal.
pub fn compare(a: &[Event], b: &[Event]) -> Option<Divergence> {
    if a == b {
        return None;
    }
    let event = a.iter().zip(b).position(|(x, y)| x != y).unwrap_or(a.len().min(b.len()));
    Some(Divergence { event, op: op_after(&a[..event]) })
}

/// The op that runs behind these events.
fn op_after(events: &[Event]) -> u32 {
    let mut ops = [0; CONTEXTS];
    let (mut current, mut before_work) = (0, 0);
    for e in events {
        match *e {
            Event::OpBegin { op } => ops[current] = op,
            Event::Switch { task } => current = usize::from(task),
            Event::WorkBegin => {
                before_work = current;
                ops[WORKER] = ops[current];
                current = WORKER;
            }
            Event::WorkEnd => current = before_work,
            _ => {}
        }
    }
    ops[current]
}

/// Name of an event's kind.
pub fn kind(e: Option<&Event>) -> String {
    match e {
        None => "end".to_owned(),
        Some(e) => {
            let text = format!("{e:?}");
            text.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
        }
    }
}

/// The divergence as a finding; titles name the kinds of the two events, not their numbers.
pub fn finding(program: &Program, a: &[Event], b: &[Event], d: Divergence) -> Finding {
    let (x, y) = (kind(a.get(d.event)), kind(b.get(d.event)));
    let what = if x == y { x } else { format!("{x} against {y}") };
    let title = format!("percuss: divergence at {what} in {}", function(program, d.op));
    let show = |e: Option<&Event>| e.map_or("end of stream".to_owned(), |e| format!("{e:x?}"));
    Finding::new(
        Oracle::Lockstep,
        d.op,
        title,
        format!("event {}: {} | {}", d.event, show(a.get(d.event)), show(b.get(d.event))),
    )
}
