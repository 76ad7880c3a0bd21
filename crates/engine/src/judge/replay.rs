// SPDX-License-Identifier: GPL-2.0-only
//! A free run and its replay, event for event.
//!
//! A free run leaves the order of tasks to the threads of the machine and records it as a schedule. The replay runs
//! that schedule with one task at a time. If both do the same, the schedule reproduces what the free run found.

use percuss_kernel::event::Event;
use percuss_kernel::{CONTEXTS, Cursor, Lock, WORKER, events};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct By {
    context: usize,
    op: u32,
    event: Event,
}

impl By {
    /// Both events are the same task's, in the same op, and not the worker's.
    fn same_task(self, other: By) -> bool {
        (self.context, self.op) == (other.context, other.op) && self.context != WORKER
    }
}

/// How a replay compares with what it replays. Only [`Matched::Differs`] is a finding; the others say how far the
/// replay stands for the free run.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Matched {
    Equal,
    /// The first difference is what a task does after it has looked at the allocator's state without `pcpu_lock`. It
    /// may queue balance work, because it saw too few empty pages (quirk B14), or make a chunk, because it saw no empty
    /// one. What it sees depends on the moment, and the kernel may do either.
    Window,
    /// Any other difference: a finding.
    Differs {
        /// Index of the event among those compared, not in the log.
        at: usize,
        op: u32,
        // The op is that of the free run's event, or of the replay's when the free run has ended.
        // The event of each in words, `end` for none.
        free: String,
        replay: String,
    },
}

impl Matched {
    /// The headline of a difference, which names the kinds of the two events; None when there is nothing to report.
    pub fn title(&self) -> Option<String> {
        let word = |text: &str| text.split([' ', '(', '{']).next().unwrap_or_default().to_owned();
        match self {
            Matched::Differs { free, replay, .. } => {
                Some(format!("percuss: a free run does {}, its replay {}", word(free), word(replay)))
            }
            _ => None,
        }
    }
}

/// Compares the event logs of a free run and of its replay. `window` says that the tree has quirk B14, so that a
/// difference in queued work is [`Matched::Window`].
pub fn compare(free: &[Event], replay: &[Event], window: bool) -> Matched {
    let (mut a, mut b) = (by(free), by(replay));
    // The last event of each context.
    let mut last = [None; CONTEXTS];
    for at in 0.. {
        match (a.next(), b.next()) {
            (None, None) => break,
            // Kept for each context, since other contexts may have run in between.
            (Some(x), y) if Some(x) == y => last[x.context] = Some(x.event),
            (Some(x), Some(y))
                if x.same_task(y) && (window && queues(x, y) || looks_for_chunk(last[x.context], x, y)) =>
            {
                // Nothing after it is compared: from here on the two are different runs.
                return Matched::Window;
            }
            (x, y) => {
                let show = |e: Option<By>| e.map_or("end".to_owned(), |e| format!("{:x?}", e.event));
                // One of the two may have ended; the other names the op.
                let op = x.or(y).map_or(0, |e| e.op);
                return Matched::Differs { at, op, free: show(x), replay: show(y) };
            }
        }
    }
    Matched::Equal
}

/// One of the two events queues work, the other does not.
fn queues(x: By, y: By) -> bool {
    let queues = |e: By| matches!(e.event, Event::ScheduleWork { .. });
    queues(x) != queues(y)
}

/// A task that found no room has released `pcpu_lock`, and looks whether a chunk is empty. In one run it makes a chunk,
/// on some trees in a scope, in the other it takes the lock again to look for room.
fn looks_for_chunk(last: Option<Event>, x: By, y: By) -> bool {
    let again = |e: By| matches!(e.event, Event::SpinLock { lock: Lock::Pcpu, .. });
    let makes = |e: By| matches!(e.event, Event::Kzalloc { .. } | Event::ScopeSave { .. });
    matches!(last, Some(Event::SpinUnlock { lock: Lock::Pcpu, .. })) && (again(x) && makes(y) || makes(x) && again(y))
}

/// Events with the context and op they belong to. The context is compared with each event, so that turns in which
/// nothing happened do not count; digests of the whole state are left out, since only the replay has them.
fn by(events: &[Event]) -> impl Iterator<Item = By> + '_ {
    let mut cursor = Cursor::new();
    events.iter().filter_map(move |event| {
        let (context, op) = cursor.advance_to(event);
        match *event {
            // Turns are compared by what happens in them, and only the replay records states.
            Event::Switch { .. } | Event::State { .. } => None,
            // It ends the program. Which task waited last is chance.
            Event::Stopped { .. } => Some(By { context: 0, op: 0, event: *event }),
            Event::OpBegin { .. }
            | Event::OpEnd { .. }
            | Event::WorkBegin
            | Event::WorkEnd
            | Event::Boot { .. }
            | events!(locks | context | requests | releases | services | reclaim | traces | defects) => {
                // The work item is the same for whichever op it runs.
                let op = op.filter(|_| context != WORKER).unwrap_or(0);
                Some(By { context, op, event: *event })
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use percuss_kernel::Irq;
    use percuss_kernel::gfp::Gfp;

    const SPIN: [Event; 2] = [
        Event::SpinLock { lock: Lock::Pcpu, irq: Irq::Save },
        Event::SpinUnlock { lock: Lock::Pcpu, irq: Irq::Save, digest: 0 },
    ];
    const LOCK: Event = Event::MutexLock { lock: Lock::AllocMutex, killable: true, taken: true };
    const UNLOCK: Event = Event::MutexUnlock { lock: Lock::AllocMutex };
    const WORK: Event = Event::ScheduleWork { queued: true };
    const BEGIN: Event = Event::OpBegin { op: 7 };
    const END: Event = Event::OpEnd { op: 7, result: 0 };

    fn on(task: u8) -> Event {
        Event::Switch { task }
    }

    #[test]
    fn idle_turns_and_digests_do_not_count_but_who_did_what_does() {
        let free = [on(1), BEGIN, LOCK, UNLOCK, END];
        let replay = [on(0), on(1), BEGIN, Event::State { digest: 3 }, LOCK, on(2), on(1), UNLOCK, END];
        assert_eq!(compare(&free, &replay, false), Matched::Equal);
        let other = [on(1), BEGIN, LOCK, on(2), UNLOCK, on(1), END];
        assert!(matches!(compare(&free, &other, true), Matched::Differs { at: 2, .. }));
        assert!(matches!(compare(&free, &free[..4], true), Matched::Differs { at: 3, .. }));
    }

    #[test]
    fn the_window_is_about_queued_work_alone() {
        let free = [on(1), BEGIN, LOCK, UNLOCK, WORK, END];
        let replay = [on(1), BEGIN, LOCK, UNLOCK, END];
        for (a, b) in [(&free[..], &replay[..]), (&replay[..], &free[..])] {
            assert_eq!(compare(a, b, true), Matched::Window);
            assert!(matches!(compare(a, b, false), Matched::Differs { at: 3, .. }), "the tree has no such quirk");
        }
        let elsewhere = [on(1), BEGIN, LOCK, UNLOCK, on(2), WORK];
        assert!(matches!(compare(&free, &elsewhere, true), Matched::Differs { .. }), "another task's work");
        let not_queued = [on(1), BEGIN, LOCK, UNLOCK, Event::ScheduleWork { queued: false }, END];
        assert!(matches!(compare(&free, &not_queued, true), Matched::Differs { .. }), "whether it was pending is told");
    }

    #[test]
    fn whether_a_chunk_is_empty_is_seen_without_the_lock() {
        let make = Event::Kzalloc { size: 108, gfp: Gfp::KERNEL, addr: 64 };
        let [lock, unlock] = SPIN;
        let (makes, looks) = ([on(1), BEGIN, lock, unlock, make], [on(1), BEGIN, lock, unlock, lock]);
        for (a, b) in [(makes, looks), (looks, makes)] {
            assert_eq!(compare(&a, &b, false), Matched::Window, "every tree looks so");
        }
        let (held, waits) = ([on(1), BEGIN, lock, make], [on(1), BEGIN, lock, lock]);
        assert!(matches!(compare(&held, &waits, false), Matched::Differs { at: 2, .. }), "with pcpu_lock held");
        let elsewhere = [on(1), BEGIN, lock, unlock, on(2), lock];
        assert!(matches!(compare(&makes, &elsewhere, false), Matched::Differs { .. }), "another task");
    }
}
