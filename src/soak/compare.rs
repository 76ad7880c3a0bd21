// SPDX-License-Identifier: GPL-2.0-only
//! A free run and its replay, event for event.

use crate::world::WORKER;
use crate::world::event::Event;

/// An event with who made it and in which op.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct By {
    context: usize,
    op: u32,
    event: Event,
}

/// How a replay compares with what it replays.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Matched {
    /// Every event is the same, and made by the same task.
    Equal,
    /// The first difference is whether balance work was queued after the number of empty pages was looked at without
    /// pcpu_lock (quirk B14): both are what the kernel may do.
    Window,
    /// Another difference: the place, and the two events in words.
    Differs {
        /// Number of the event among those compared.
        at: usize,
        /// The op.
        op: u32,
        /// What the free run did.
        free: String,
        /// What the replay did.
        replay: String,
    },
}

impl Matched {
    /// The headline of a difference.
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

/// Compares the event logs of a free run and of its replay; `window`: the tree has quirk B14.
pub fn compare(free: &[Event], replay: &[Event], window: bool) -> Matched {
    let (mut a, mut b) = (by(free), by(replay));
    for at in 0.. {
        match (a.next(), b.next()) {
            (None, None) => break,
            (x, y) if x == y => {}
            (x, y) if window && in_window(x, y) => return Matched::Window,
            (x, y) => {
                let show = |e: Option<By>| e.map_or("end".to_owned(), |e| format!("{:x?}", e.event));
                let op = x.or(y).map_or(0, |e| e.op);
                return Matched::Differs { at, op, free: show(x), replay: show(y) };
            }
        }
    }
    Matched::Equal
}

/// The same task goes on in both, and only one of the two queues work.
fn in_window(x: Option<By>, y: Option<By>) -> bool {
    let (Some(x), Some(y)) = (x, y) else { return false };
    let queues = |e: &By| matches!(e.event, Event::ScheduleWork { .. });
    (x.context, x.op) == (y.context, y.op) && x.context != WORKER && queues(&x) != queues(&y)
}

/// Events with who made them. Who runs is compared with each event, so that turns in which nothing happened do not
/// count; digests of the whole state are the replay's alone.
fn by(events: &[Event]) -> impl Iterator<Item = By> + '_ {
    let (mut context, mut before_work) = (0, 0);
    let mut ops = [0; crate::world::CONTEXTS];
    events.iter().filter_map(move |event| {
        match *event {
            Event::Switch { task } => {
                context = usize::from(task);
                return None;
            }
            Event::State { .. } => return None,
            // Who was the last to wait is no event of his.
            Event::Stopped { .. } => return Some(By { context: 0, op: 0, event: *event }),
            Event::OpBegin { op } => ops[context] = op,
            Event::WorkBegin => before_work = std::mem::replace(&mut context, WORKER),
            Event::WorkEnd => {
                let ended = By { context, op: ops[context], event: *event };
                context = before_work;
                return Some(ended);
            }
            _ => {}
        }
        Some(By { context, op: ops[context], event: *event })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::kernel::Lock;

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
}
