// SPDX-License-Identifier: GPL-2.0-only
//! Events in the words of somebody who asks where a task was stopped.

use percuss_kernel::Diag;
use percuss_kernel::event::{Event, Stop};

/// The place between two events of a task.
pub(super) fn place(last: Option<Event>, next: Option<Event>) -> String {
    match (last.and_then(after), next) {
        (Some(after), _) => after,
        (None, Some(next)) => format!("before {}", before(next)),
        (None, None) => last.map_or("before it began".to_owned(), |e| format!("after {}", name(e))),
    }
}

/// Events that have their scheduling point behind them.
fn after(e: Event) -> Option<String> {
    Some(match e {
        Event::MutexUnlock { .. } | Event::SpinUnlock { .. } | Event::UnlockExt { .. } => {
            format!("after unlock of {}", lock(e)?.0)
        }
        Event::CondResched => "after cond_resched()".to_owned(),
        Event::ScheduleWork { .. } => "after schedule_work()".to_owned(),
        Event::Diag { .. } => "after a message".to_owned(),
        Event::Irqs { off: false } => "after interrupts came on".to_owned(),
        _ => return None,
    })
}

/// What a task was about to do.
fn before(e: Event) -> String {
    match e {
        Event::MutexLock { .. } => format!("mutex {}", lock_name(e)),
        Event::SpinLock { .. } | Event::LockExt { .. } | Event::Wait { .. } | Event::WaitExt { .. } => {
            format!("lock of {}", lock_name(e))
        }
        Event::OpEnd { .. } | Event::WorkEnd => "its end".to_owned(),
        other => name(other),
    }
}

fn lock_name(e: Event) -> &'static str {
    match e {
        Event::MutexLock { lock, .. } | Event::MutexUnlock { lock } | Event::Wait { lock } => lock.name(),
        Event::SpinLock { lock, .. } | Event::SpinUnlock { lock, .. } => lock.name(),
        Event::LockExt { lock, .. } | Event::UnlockExt { lock } | Event::WaitExt { lock, .. } => lock.name(),
        _ => "no lock",
    }
}

fn name(e: Event) -> String {
    match e {
        Event::OpBegin { .. } => "its beginning".to_owned(),
        Event::Kzalloc { .. } => "kzalloc()".to_owned(),
        Event::Vmalloc { .. } => "__vmalloc()".to_owned(),
        Event::PageAlloc { .. } => "the allocation of a page".to_owned(),
        Event::VmAreas { .. } => "pcpu_get_vm_areas()".to_owned(),
        Event::Map { .. } | Event::PageTable { .. } => "mapping pages".to_owned(),
        Event::Charge { .. } => "the charge to a cgroup".to_owned(),
        Event::ReclaimBegin { .. } => "reclaim".to_owned(),
        // The name of the event, which is the first word of its debug form.
        other => format!("{other:?}").split([' ', '(']).next().unwrap_or_default().to_owned(),
    }
}

/// A lock that was taken (true) or released.
pub(super) fn lock(e: Event) -> Option<(&'static str, bool)> {
    match e {
        Event::MutexLock { taken: true, .. } | Event::SpinLock { .. } | Event::LockExt { .. } => {
            Some((lock_name(e), true))
        }
        Event::MutexUnlock { .. } | Event::SpinUnlock { .. } | Event::UnlockExt { .. } => Some((lock_name(e), false)),
        _ => None,
    }
}

/// The lock that a task waits for from this event on.
pub(super) fn wait(e: Event) -> Option<&'static str> {
    matches!(e, Event::Wait { .. } | Event::WaitExt { .. }).then(|| lock_name(e))
}

/// What is worth a line of its own.
pub(super) fn note(e: Event) -> Option<String> {
    Some(match e {
        Event::MutexLock { taken: false, .. } => format!("is killed while it waits for {}", lock_name(e)),
        Event::ReclaimBegin { kswapd: false, .. } => "reclaims memory".to_owned(),
        Event::Retry { .. } => "looks for memory again".to_owned(),
        Event::OomKill { victim: Some(task) } => format!("kills task {}", char::from(b'a' + task)),
        Event::OomKill { victim: None } => "kills another process".to_owned(),
        Event::Diag { kind: Diag::Warn, .. } => "WARN".to_owned(),
        Event::Diag { kind: Diag::Bug, .. } => "BUG".to_owned(),
        _ => return None,
    })
}

/// Why a program ended early.
pub(super) fn end(reason: Stop) -> &'static str {
    match reason {
        Stop::Bug => "BUG",
        Stop::Panic => "panic",
        Stop::Loud => "a path that is not modelled",
        Stop::Deadlock => "deadlock",
        Stop::Stall => "nobody can help",
        Stop::StepLimit => "no end in sight",
        Stop::Internal => "a defect of percuss",
    }
}
