// SPDX-License-Identifier: GPL-2.0-only
//! Lockstep: the first differing event is the divergence.
//!
//! What comes after it follows from it and is not compared: the two have different states from there on.

use percuss_kernel::Cursor;
use percuss_kernel::event::Event;
use percuss_program::Program;

use crate::{Detail, Finding, Oracle, OracleKind, function};

/// Compares two streams, which no question about one run can: it is asked by [`compare`], and its answer decides
/// whether the Model may be asked about the image's state at all.
#[derive(Debug, Default)]
pub struct Lockstep;

impl Oracle for Lockstep {}

/// Where two event streams part: the index of the first event that differs, which is the length of the shorter stream
/// when that is a part of the other, and the op that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Divergence {
    pub event: usize,
    pub op: u32,
}

/// The first difference, or None when the streams are equal. A release of pcpu_lock carries a digest of the state, so a
/// state that differs is a difference of events.
pub fn compare(a: &[Event], b: &[Event]) -> Option<Divergence> {
    // Almost all programs agree.
    if a == b {
        return None;
    }
    let event = a.iter().zip(b).position(|(x, y)| x != y).unwrap_or(a.len().min(b.len()));
    // During boot, which no op runs, it is given to the first one.
    let op = Cursor::after(&a[..event]).op().unwrap_or(0);
    Some(Divergence { event, op })
}

/// Name of an event's kind, for titles; `end` when the stream has no event there.
pub fn kind(e: Option<&Event>) -> String {
    match e {
        None => "end".to_owned(),
        Some(e) => {
            // The first word of the debug form is the name of the variant.
            let text = format!("{e:?}");
            text.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
        }
    }
}

/// The divergence as a finding; titles name the kinds of the two events, not their numbers.
pub fn finding(program: &Program, a: &[Event], b: &[Event], d: Divergence) -> Finding {
    let (x, y) = (kind(a.get(d.event)), kind(b.get(d.event)));
    let what = if x == y { x } else { format!("{x} against {y}") };
    // Kinds and the function only, so that one cause has one title in all programs.
    let title = format!("percuss: divergence at {what} in {}", function(program, d.op));
    let show = |e: Option<&Event>| e.map_or("end of stream".to_owned(), |e| format!("{e:x?}"));
    let detail = Detail::Parting { event: d.event, left: show(a.get(d.event)), right: show(b.get(d.event)) };
    Finding::new(OracleKind::Lockstep, d.op, title, detail).at(d.event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use percuss_kernel::gfp::Gfp;
    use percuss_kernel::{KSWAPD, limits, op_number};

    const RETURN: u64 = 0;

    fn program() -> Program {
        let text = "task a\n  balance\n  x = alloc 64\nshrinker gated objects=1\n  free y\nhandler hard\n  free y\n";
        text.parse().expect("a program")
    }

    fn run(op: u32) -> [Event; 2] {
        [Event::OpBegin { op }, Event::OpEnd { op, result: RETURN }]
    }

    /// Streams that begin with these events and part after them: op and title of the divergence.
    fn parted(events: &[Event]) -> (u32, String) {
        let ends = |taken| [events, &[Event::Kvfree { addr: taken }]].concat();
        let (a, b) = (ends(1), ends(2));
        let divergence = compare(&a, &b).expect("they differ");
        let finding = finding(&program(), &a, &b, divergence);
        assert_eq!(finding.op, divergence.op);
        (divergence.op, finding.title)
    }

    #[test]
    fn a_divergence_after_a_nested_op_is_the_outer_ones() {
        let in_alloc = (op_number(0, 1), "percuss: divergence at Kvfree in pcpu_alloc".to_owned());
        let begin = Event::OpBegin { op: op_number(0, 1) };
        let [shrinker, handler] = [limits::TASKS, limits::TASKS + limits::SHRINKERS].map(|owner| op_number(owner, 0));
        let reclaim = [Event::ReclaimBegin { gfp: Gfp::KERNEL, kswapd: false }, Event::ShrinkBegin { shrinker: 0 }];
        for nested in [shrinker, handler] {
            let inside = [&[begin], &reclaim[..], &[Event::OpBegin { op: nested }]].concat();
            assert_eq!(parted(&inside), (nested, "percuss: divergence at Kvfree in free_percpu".to_owned()));
            let after = [&[begin], &reclaim[..], &run(nested)].concat();
            assert_eq!(parted(&after), in_alloc);
            let elsewhere = [&after[..], &[Event::Switch { task: KSWAPD as u8 }, Event::Switch { task: 0 }]].concat();
            assert_eq!(parted(&elsewhere), in_alloc, "a switch between contexts changes nothing");
        }
        // A handler between two ops leaves what follows to the op before it, as it is without one.
        let between = [run(op_number(0, 1)), run(handler)].concat();
        assert_eq!(parted(&between), in_alloc);
    }

    #[test]
    fn the_worker_works_for_the_op_that_queued() {
        let begin = Event::OpBegin { op: op_number(0, 0) };
        let on = op_number(0, 0);
        assert_eq!(parted(&[begin, Event::WorkBegin]).0, on);
        assert_eq!(parted(&[begin, Event::WorkBegin, Event::Switch { task: 3 }]).0, 0, "task d began nothing yet");
        assert_eq!(parted(&[begin, Event::WorkBegin, Event::WorkEnd]).0, on);
    }
}
