// SPDX-License-Identifier: GPL-2.0-only
//! What happened in a run: a row for each op, with its result and what the allocator did for it.
//!
//! Everything is read from the log, texts of the kernel's messages included, so that a row says what the image did and
//! not what percuss expects of it.

mod chunks;
mod follow;
mod row;

pub use row::{Chunk, Place, Row};

use percuss_program::Program;
use percuss_world::log::Log;

/// The rows of a run of this program that has left this log, in the order in which they began.
pub fn story(program: &Program, log: &Log) -> Vec<Row> {
    let mut follow = follow::Follow::new(program);
    for (i, event) in log.events().iter().enumerate() {
        follow.event(event, log.text_of(i));
    }
    follow.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::audit::Failure;
    use percuss_kernel::event::Event;
    use percuss_kernel::gfp::Gfp;
    use percuss_kernel::{Diag, TraceAlloc, limits, op_number};

    fn log(events: &[(Event, &str)]) -> Log {
        let mut log = Log::new();
        for (event, text) in events {
            if !text.is_empty() {
                log.text(text);
            }
            log.push(*event);
        }
        log
    }

    fn quiet(events: &[Event]) -> Log {
        log(&events.iter().map(|e| (*e, "")).collect::<Vec<_>>())
    }

    fn alloc(base_addr: u64, off: i32, ptr: u64, reserved: bool) -> Event {
        let [is_atomic, align_shift, size, bytes_alloc] = [0, 3, 64, 256];
        let is_atomic = is_atomic == 1;
        let align_shift = align_shift as u8;
        Event::TraceAlloc(TraceAlloc {
            reserved,
            is_atomic,
            align_shift,
            size,
            off,
            bytes_alloc,
            base_addr,
            ptr,
            gfp: Gfp::KERNEL,
        })
    }

    fn program(text: &str) -> Program {
        text.parse().unwrap()
    }

    fn begin(task: usize, index: usize) -> Event {
        Event::OpBegin { op: op_number(task, index) }
    }

    fn end(task: usize, index: usize, result: u64) -> Event {
        Event::OpEnd { op: op_number(task, index), result }
    }

    #[test]
    fn chunks_are_numbered_as_they_are_made() {
        let p = program(
            "boot reserved=8K\ntask a\n x = alloc 64 reserved\n y = alloc 64\n z = alloc 64\n free z\n w = alloc 64\n",
        );
        // The first and the reserved chunk may begin in one page, and a new chunk may take an old one's place.
        let (first, made) = (0x1000, 0x8000);
        let events = [
            begin(0, 0),
            alloc(first, 0, 1, true),
            end(0, 0, 1),
            begin(0, 1),
            alloc(first, 8, 2, false),
            end(0, 1, 2),
            begin(0, 2),
            Event::TraceCreate { base_addr: made },
            alloc(made, 16, 3, false),
            end(0, 2, 3),
            begin(0, 3),
            Event::TraceFree { base_addr: made, off: 16, ptr: 3 },
            Event::TraceDestroy { base_addr: made },
            end(0, 3, 0),
            begin(0, 4),
            Event::TraceCreate { base_addr: made },
            alloc(made, 0, 4, false),
            end(0, 4, 4),
        ];
        let rows = story(&p, &quiet(&events));
        let places: Vec<_> = rows.iter().map(|r| r.area.clone().unwrap()).map(|a| (a.chunk, a.offset)).collect();
        let expected = [("reserved", 0), ("first", 8), ("2", 16), ("2", 16), ("3", 0)];
        assert_eq!(places, expected.map(|(chunk, at)| (chunk.to_owned(), at)));
        assert_eq!(rows[2].made, [Chunk { chunk: "2".to_owned(), base: made }]);
        assert_eq!(rows[3].destroyed, ["2"]);
        assert_eq!(rows[4].made[0].chunk, "3");
        assert_eq!(rows.iter().map(|r| r.label.as_str()).collect::<Vec<_>>(), ["a1", "a2", "a3", "a4", "a5"]);
    }

    #[test]
    fn a_failure_has_the_words_that_the_tree_printed() {
        let p = program("task a\n x = alloc 64 gfp GFP_ATOMIC\n y = alloc 64 gfp GFP_ATOMIC\n");
        let fail = Event::TraceAllocFail { reserved: false, is_atomic: true, size: 64, align: 8 };
        let print = |kind| Event::Diag { kind, nargs: 0, args: [0; 3] };
        let rows = story(
            &p,
            &log(&[
                (begin(0, 0), ""),
                (fail, ""),
                (print(Diag::Printk(4)), "no room for "),
                (print(Diag::Cont), "64 bytes\n"),
                (print(Diag::Stack), ""),
                (end(0, 0, 0), ""),
                (begin(0, 1), ""),
                (fail, ""),
                (end(0, 1, 0), ""),
            ]),
        );
        assert_eq!(rows[0].messages, ["no room for 64 bytes"]);
        assert_eq!(rows.iter().map(|r| r.failed).collect::<Vec<_>>(), [Some(Failure::NoRoom); 2]);
        assert!(rows[1].messages.is_empty() && rows.iter().all(|r| r.ended));
    }

    #[test]
    fn what_runs_inside_an_op_is_below_it() {
        let p =
            program("task a\n x = alloc 64\nshrinker always\n  free x\nhandler hard\n y = alloc 4 gfp GFP_ATOMIC\n");
        let (shrinker, handler) = (limits::TASKS, limits::TASKS + limits::SHRINKERS);
        let map = Event::Map { addr: 0, nr: 2, ok: true };
        let events = [
            begin(0, 0),
            map,
            map,
            Event::ReclaimBegin { gfp: Gfp::KERNEL, kswapd: false },
            begin(shrinker, 0),
            Event::WorkBegin,
            Event::Unmap { addr: 0, nr: 4 },
            begin(handler, 0),
            end(handler, 0, 0),
            Event::WorkEnd,
            end(shrinker, 0, 0),
            Event::ReclaimEnd { freed: 0 },
            map,
            end(0, 0, 1),
        ];
        let rows = story(&p, &quiet(&events));
        let shown: Vec<_> = rows.iter().map(|r| (r.label.as_str(), r.depth, r.populated, r.depopulated)).collect();
        assert_eq!(shown, [("a1", 0, 6, 0), ("shrinker0.1", 1, 0, 0), ("worker", 2, 0, 4), ("handler0.1", 3, 0, 0)]);
        assert_eq!(rows[0].reclaims, 1);
    }
}
