// SPDX-License-Identifier: GPL-2.0-only
//! Lockstep: the first differing event is the divergence.

use super::finding::{Finding, Oracle};
use super::signs::function;
use crate::program::Program;
use crate::world::event::Event;

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
    let op = a[..event].iter().rev().find_map(|e| match e {
        Event::OpBegin { op } => Some(*op),
        _ => None,
    });
    Some(Divergence { event, op: op.unwrap_or(0) })
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
