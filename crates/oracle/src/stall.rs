// SPDX-License-Identifier: GPL-2.0-only
//! Stall: tasks that wait for what cannot come while they wait.
//!
//! A deadlock of locks alone is for lock order. Here one side waits for memory, which no lock-order engine sees: what
//! it holds keeps kswapd from freeing any.

use percuss_kernel::event::{Event, Ext, Stop};
use percuss_kernel::{Lock, events};
use percuss_program::{Op, op_at};

use crate::room::must_not_fail;
use crate::{Finding, Moment, Oracle, OracleKind};

#[derive(Debug, Clone, Copy)]
enum Awaited {
    Allocators(Lock),
    External(Ext),
}

/// Reports a task that retries for ever with pcpu_alloc_mutex held while kswapd, which could free memory, waits for a
/// lock; and a killed task that waits on for the mutex.
#[derive(Debug, Default)]
pub struct Stall {
    kswapd: Option<Awaited>,
    /// The context that took pcpu_alloc_mutex last, until it is released.
    holder: Option<usize>,
    /// The context that took each external lock last.
    takers: [usize; Ext::ALL.len()],
    /// Contexts with a fatal signal pending, as a mask.
    killed: u32,
    /// Contexts that found pcpu_alloc_mutex taken and do not have it yet, as a mask.
    waiting: u32,
}

impl Oracle for Stall {
    fn start(&mut self) {
        *self = Stall::default();
    }

    #[inline]
    fn event(&mut self, at: &Moment<'_>, event: &Event, found: &mut Vec<Finding>) {
        let context = at.cursor.context();
        match *event {
            Event::OpEnd { op, .. } => {
                if let Some(Op::Signal { task }) = op_at(at.program, op) {
                    // A signal without a task is the caller's own.
                    self.killed |= 1 << task.map_or(context, usize::from);
                }
            }
            Event::OomKill { victim } => self.killed |= victim.map_or(0, |task| 1 << task),
            Event::MutexLock { lock, killable, taken } => {
                self.goes_on(at);
                if lock == Lock::AllocMutex {
                    self.wait_ended(at, event, killable, taken, found);
                }
            }
            Event::MutexUnlock { lock } => {
                if lock == Lock::AllocMutex {
                    self.holder = None;
                }
            }
            Event::SpinLock { .. } => self.goes_on(at),
            Event::LockExt { lock, .. } => {
                // Kept after the unlock: the entry counts only while kswapd waits for the lock, so while it is held.
                self.takers[lock as usize] = context;
                self.goes_on(at);
            }
            Event::Wait { lock } => {
                if lock == Lock::AllocMutex {
                    self.waiting |= 1 << context;
                }
                self.waits(at, Awaited::Allocators(lock));
            }
            Event::WaitExt { lock, .. } => self.waits(at, Awaited::External(lock)),
            Event::Stopped { reason } => {
                // The World stops a program in which nothing frees memory any more. Whose fault that is, it does not
                // say.
                if reason == Stop::Stall
                    && let Some(lock) = self.stalled(context)
                {
                    let title = format!("percuss: a task retries for ever while kswapd waits for {lock}");
                    found.push(at.finding(OracleKind::Stall, event, title));
                }
            }
            Event::SpinUnlock { .. } | Event::UnlockExt { .. } => {}
            Event::Boot { .. } | Event::Switch { .. } | Event::OpBegin { .. } | Event::State { .. } => {}
            Event::WorkBegin | Event::WorkEnd => {}
            Event::ReclaimBegin { .. } | Event::ReclaimEnd { .. } | Event::WakeKswapd => {}
            Event::ShrinkBegin { .. } | Event::ShrinkEnd { .. } => {}
            Event::Retry { .. } | Event::NoMemory { .. } => {}
            events!(context | requests | releases | services | traces | defects) => {}
        }
    }
}

impl Stall {
    fn waits(&mut self, at: &Moment<'_>, lock: Awaited) {
        // Other contexts may wait: only kswapd's wait keeps all of them from memory.
        if at.cursor.in_kswapd() {
            self.kswapd = Some(lock);
        }
    }

    /// The running context took a lock: if it is kswapd, it waits no longer. The end of a wait has no event of its own.
    fn goes_on(&mut self, at: &Moment<'_>) {
        if at.cursor.in_kswapd() {
            self.kswapd = None;
        }
    }

    /// A wait for pcpu_alloc_mutex ended, if there was one: with the mutex (`taken`) or with a signal. An allocation
    /// takes it with mutex_lock_killable(), so that the OOM killer's victim can end and give its memory back.
    fn wait_ended(&mut self, at: &Moment<'_>, event: &Event, killable: bool, taken: bool, found: &mut Vec<Finding>) {
        let me = 1 << at.cursor.context();
        let waited = self.waiting & me != 0;
        // Cleared before anything else, for a wait that was given up has ended as well.
        self.waiting &= !me;
        if !taken {
            return;
        }
        self.holder = Some(at.cursor.context());
        let op = at.op();
        // A caller that must get memory waits on whatever signals it gets, and a signal to a task does not reach the
        // worker that runs in its place.
        let may_give_up = !at.cursor.in_worker()
            && matches!(op_at(at.program, op), Some(Op::Alloc { .. }))
            && !must_not_fail(at.program, op);
        if !killable && waited && may_give_up && self.killed & me != 0 {
            let title = "percuss: a killed task waits on for pcpu_alloc_mutex";
            found.push(at.finding(OracleKind::Stall, event, title));
        }
    }

    /// What kswapd waits for while `context` retries for ever, if that is the allocator's fault.
    ///
    /// That there is no memory is no defect. A task that holds the mutex while it waits for memory, when the one that
    /// could free some waits for a lock, is. Without the mutex it is no business of the allocator.
    fn stalled(&self, context: usize) -> Option<String> {
        if self.holder != Some(context) {
            return None;
        }
        match self.kswapd? {
            Awaited::Allocators(lock) => Some(lock.name().to_owned()),
            // The caller took a lock that reclaim needs, and then allocated: its error, not the allocator's.
            Awaited::External(lock) if self.takers[lock as usize] == context => None,
            Awaited::External(lock) => Some(format!("the {} lock", lock.name())),
        }
    }
}
