// SPDX-License-Identifier: GPL-2.0-only
//! Events in words: where a task was stopped and why.
//!
//! Every match names all events, so that a new one does not get words by accident.

use percuss_kernel::event::{Event, LockMove, Stop};
use percuss_kernel::{Diag, context_name, events};

/// The place between two events of a task, in words. A context is stopped at a scheduling point, and each kind of event
/// has its point either after it or before it; the words name the event to which the point belongs.
pub(super) fn place(last: Option<Event>, next: Option<Event>) -> String {
    // The point after the last event comes first: the next event has not begun then.
    match (last.and_then(after), next) {
        (Some(after), _) => after,
        (None, Some(next)) => format!("before {}", before(next)),
        (None, None) => last.map_or("before it began".to_owned(), |e| format!("after {}", name(e))),
    }
}

/// The place after an event that is followed by its scheduling point; None for those that have it before them.
fn after(e: Event) -> Option<String> {
    if let Some((LockMove::Releases, lock)) = e.lock() {
        return Some(format!("after unlock of {lock}"));
    }
    let place = match e {
        Event::CondResched => "after cond_resched()",
        Event::ScheduleWork { .. } => "after schedule_work()",
        Event::Diag { .. } => "after a message",
        Event::Irqs { off: false } => "after interrupts came on",
        Event::Irqs { off: true } | Event::ScopeSave { .. } | Event::ScopeRestore { .. } => return None,
        Event::Preempt { .. } | Event::Interrupt { .. } => return None,
        Event::Map { .. } | Event::Unmap { .. } | Event::FlushCache { .. } | Event::FlushTlb { .. } => return None,
        Event::Zero { .. } | Event::MemcgStat { .. } => return None,
        Event::TraceAlloc(_) | Event::TraceAllocFail { .. } | Event::TraceFree { .. } => return None,
        Event::TraceCreate { .. } | Event::TraceDestroy { .. } => return None,
        events!(flow | locks | requests | releases | reclaim | defects) => return None,
    };
    Some(place.to_owned())
}

fn before(e: Event) -> String {
    // A release has its point after it (see `after`), so no context is stopped before one.
    let lock = e.lock().filter(|(does, _)| *does != LockMove::Releases);
    match lock {
        Some((_, name)) if matches!(e, Event::MutexLock { .. }) => format!("mutex {name}"),
        Some((_, name)) => format!("lock of {name}"),
        None if matches!(e, Event::OpEnd { .. } | Event::WorkEnd) => "its end".to_owned(),
        None => name(e),
    }
}

fn name(e: Event) -> String {
    let name = match e {
        Event::OpBegin { .. } => "its beginning",
        Event::Kzalloc { .. } => "kzalloc()",
        Event::Vmalloc { .. } => "__vmalloc()",
        Event::PageAlloc { .. } => "the allocation of a page",
        Event::VmAreas { .. } => "pcpu_get_vm_areas()",
        Event::Map { .. } | Event::PageTable { .. } => "mapping pages",
        Event::Charge { .. } => "the charge to a cgroup",
        Event::ReclaimBegin { .. } => "reclaim",
        Event::Boot { .. } | Event::Switch { .. } | Event::OpEnd { .. } | Event::WorkBegin => return variant(e),
        Event::WorkEnd | Event::State { .. } | Event::Stopped { .. } => return variant(e),
        Event::Unmap { .. } | Event::FlushCache { .. } | Event::FlushTlb { .. } | Event::Zero { .. } => {
            return variant(e);
        }
        Event::ScheduleWork { .. } | Event::MemcgStat { .. } => return variant(e),
        Event::ReclaimEnd { .. } | Event::ShrinkBegin { .. } | Event::ShrinkEnd { .. } => return variant(e),
        Event::WakeKswapd | Event::Retry { .. } | Event::OomKill { .. } | Event::NoMemory { .. } => return variant(e),
        events!(locks | context | releases | traces | defects) => return variant(e),
    };
    name.to_owned()
}

/// The name of the event itself, which is the first word of its debug form.
fn variant(e: Event) -> String {
    format!("{e:?}").split([' ', '(']).next().unwrap_or_default().to_owned()
}

/// The lock that a task waits for from this event on; None when it does not wait. A lock that is free at once has no
/// such event.
pub(super) fn wait(e: Event) -> Option<&'static str> {
    e.lock().filter(|(does, _)| *does == LockMove::Waits).map(|(_, name)| name)
}

/// The note that an event is worth; None for most, which happen in every op.
pub(super) fn note(e: Event) -> Option<String> {
    let note = match e {
        Event::ReclaimBegin { kswapd: false, .. } => "reclaims memory",
        Event::Retry { .. } => "looks for memory again",
        Event::OomKill { victim: Some(task) } => return Some(format!("kills {}", context_name(usize::from(task)))),
        Event::OomKill { victim: None } => "kills another process",
        Event::Diag { kind: Diag::Warn, .. } => "WARN",
        Event::Diag { kind: Diag::Bug, .. } => "BUG",
        events!(locks) => {
            let (_, lock) = e.lock().filter(|(does, _)| *does == LockMove::GivesUp)?;
            return Some(format!("is killed while it waits for {lock}"));
        }
        Event::ReclaimBegin { kswapd: true, .. } | Event::ReclaimEnd { .. } | Event::WakeKswapd => return None,
        Event::ShrinkBegin { .. } | Event::ShrinkEnd { .. } | Event::NoMemory { .. } => return None,
        Event::Diag { .. } | Event::TraceAlloc(_) | Event::TraceAllocFail { .. } => return None,
        Event::TraceFree { .. } | Event::TraceCreate { .. } | Event::TraceDestroy { .. } => return None,
        events!(flow | context | requests | releases | services | defects) => return None,
    };
    Some(note.to_owned())
}

/// Why a program ended before its last op, in the words of both views of a run.
pub fn end(reason: Stop) -> &'static str {
    match reason {
        Stop::Bug => "BUG",
        Stop::Panic => "panic",
        Stop::Loud => "a path that is not modelled",
        Stop::Deadlock => "deadlock",
        Stop::Stall => "no other task can free memory",
        Stop::StepLimit => "no end in sight",
        Stop::Internal => "a defect of percuss",
    }
}
