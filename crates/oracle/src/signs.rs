// SPDX-License-Identifier: GPL-2.0-only
//! Events that are wrong by themselves, whoever made them.

use crate::{Finding, OracleKind};
use percuss_kernel::event::{Event, Ext, Site, Stop};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Cursor, DRAIN, Diag, Lock, events};
use percuss_program::{Op, Program, op_at};
use percuss_world::log::Log;

/// The kernel function an op enters, for titles.
pub fn function(program: &Program, op: u32) -> &'static str {
    match op_at(program, op) {
        Some(Op::Alloc { .. } | Op::SchedProbe { .. }) => "pcpu_alloc",
        Some(Op::Free { .. }) => "free_percpu",
        Some(Op::Balance) => "pcpu_balance_workfn",
        Some(Op::IsStatic { .. }) => "is_kernel_percpu_address",
        Some(Op::Phys { .. }) => "per_cpu_ptr_to_phys",
        _ if op == DRAIN => "free_percpu or pcpu_balance_workfn",
        _ => "percpu",
    }
}

/// Warnings of failed allocations after which percpu.c says that it writes no more.
const WARNINGS: u32 = 10;

/// An allocation whose caller must not get NULL.
fn must_not_fail(program: &Program, op: u32) -> bool {
    matches!(op_at(program, op), Some(Op::Alloc { gfp, .. }) if gfp.contains(Gfp::NOFAIL))
}

/// An alloc whose arguments percpu.c documents as illegal: its warning is the documented answer.
fn illegal_arguments(program: &Program, op: u32) -> bool {
    match op_at(program, op) {
        Some(Op::Alloc { size, align, .. }) => {
            let align = align.max(4);
            size == 0 || size > (32 << 10) || align > 4096 || !align.is_power_of_two()
        }
        _ => false,
    }
}

fn boot_memory_fails(program: &Program) -> bool {
    program.faults.iter().any(|f| f.site == Site::Memblock)
}

/// What the rules below ask about the events read so far.
struct Reader {
    cursor: Cursor,
    /// What kswapd waits for: a lock of the allocator or an external one.
    kswapd_waits: Option<Result<Lock, Ext>>,
    /// Who took pcpu_alloc_mutex last, until it is released.
    holder: Option<usize>,
    /// Who took each external lock last.
    takers: [usize; Ext::ALL.len()],
    /// The last event was an allocation of metadata.
    allocated: bool,
    /// Contexts with a fatal signal pending, as a mask.
    killed: u32,
    /// Contexts that found pcpu_alloc_mutex taken and do not have it yet, as a mask.
    waiting: u32,
    /// Warnings of failed allocations so far.
    warnings: u32,
}

impl Reader {
    fn new() -> Reader {
        Reader {
            cursor: Cursor::new(),
            kswapd_waits: None,
            holder: None,
            takers: [0; Ext::ALL.len()],
            allocated: false,
            killed: 0,
            waiting: 0,
            warnings: 0,
        }
    }

    #[inline]
    fn feed(&mut self, program: &Program, event: &Event) {
        self.cursor.advance(event);
        let context = self.cursor.context();
        match *event {
            Event::OpEnd { op, .. } => {
                if let Some(Op::Signal { task }) = op_at(program, op) {
                    self.killed |= 1 << task.map_or(context, usize::from);
                }
            }
            Event::OomKill { victim } => {
                if let Some(task) = victim {
                    self.killed |= 1 << task;
                }
            }
            Event::MutexLock { lock, taken, .. } => {
                if lock == Lock::AllocMutex && taken {
                    self.holder = Some(context);
                }
                self.kswapd_goes_on();
            }
            Event::MutexUnlock { lock } => {
                if lock == Lock::AllocMutex {
                    self.holder = None;
                }
            }
            Event::SpinLock { .. } => self.kswapd_goes_on(),
            Event::LockExt { lock, .. } => {
                self.takers[lock as usize] = context;
                self.kswapd_goes_on();
            }
            Event::Wait { lock } => self.kswapd_waits_for(Ok(lock)),
            Event::WaitExt { lock, .. } => self.kswapd_waits_for(Err(lock)),
            Event::SpinUnlock { .. } | Event::UnlockExt { .. } => {}
            Event::Boot { .. } | Event::Switch { .. } | Event::OpBegin { .. } | Event::State { .. } => {}
            Event::WorkBegin | Event::WorkEnd | Event::Stopped { .. } => {}
            Event::ReclaimBegin { .. } | Event::ReclaimEnd { .. } | Event::WakeKswapd => {}
            Event::ShrinkBegin { .. } | Event::ShrinkEnd { .. } => {}
            Event::Retry { .. } | Event::NoMemory { .. } => {}
            events!(context | requests | releases | services | traces | defects) => {}
        }
    }

    /// The running context waits for a lock: noted when it is kswapd.
    fn kswapd_waits_for(&mut self, lock: Result<Lock, Ext>) {
        if self.cursor.in_kswapd() {
            self.kswapd_waits = Some(lock);
        }
    }

    /// The running context took a lock: if it is kswapd, it waits no longer.
    fn kswapd_goes_on(&mut self) {
        if self.cursor.in_kswapd() {
            self.kswapd_waits = None;
        }
    }

    /// The op that the last event belongs to; the first one during boot, which has none.
    fn op(&self) -> u32 {
        self.cursor.op().unwrap_or(0)
    }

    /// Rules about more than one event.
    fn sign(&mut self, program: &Program, event: &Event) -> Option<(OracleKind, String)> {
        let allocated =
            std::mem::replace(&mut self.allocated, matches!(event, Event::Kzalloc { .. } | Event::Vmalloc { .. }));
        let context = self.cursor.context();
        match *event {
            Event::Wait { lock } => {
                if lock == Lock::AllocMutex {
                    self.waiting |= 1 << context;
                }
                None
            }
            Event::MutexLock { lock, killable, taken } if lock == Lock::AllocMutex => {
                self.mutex(program, killable, taken)
            }
            Event::Diag { kind: Diag::Printk(4), nargs: 3, .. } => {
                self.warnings += 1;
                let title = || "percuss: more warnings of failed allocations than the limit".to_owned();
                (self.warnings == WARNINGS + 1).then(|| (OracleKind::Invariants, title()))
            }
            Event::FlushCache { unmap, .. } => {
                (unmap && allocated).then(|| (OracleKind::Context, "percuss: depopulating allocates memory".to_owned()))
            }
            Event::Stopped { reason } => {
                if reason == Stop::Stall {
                    self.stall()
                } else {
                    None
                }
            }
            Event::MutexLock { .. } | Event::MutexUnlock { .. } | Event::SpinLock { .. } | Event::SpinUnlock { .. } => {
                None
            }
            Event::WaitExt { .. } | Event::LockExt { .. } | Event::UnlockExt { .. } => None,
            Event::TraceAlloc(_) | Event::TraceAllocFail { .. } | Event::TraceFree { .. } | Event::Diag { .. } => None,
            Event::TraceCreate { .. } | Event::TraceDestroy { .. } => None,
            Event::Map { .. } | Event::Unmap { .. } | Event::FlushTlb { .. } | Event::Zero { .. } => None,
            Event::ScheduleWork { .. } | Event::MemcgStat { .. } => None,
            Event::Boot { .. } | Event::Switch { .. } | Event::OpBegin { .. } | Event::OpEnd { .. } => None,
            Event::WorkBegin | Event::WorkEnd | Event::State { .. } => None,
            events!(context | requests | releases | reclaim | defects) => None,
        }
    }

    /// That nobody has memory is no defect; that who could free some waits for the one who needs it is. Without the
    /// mutex it is no business of the allocator.
    fn stall(&self) -> Option<(OracleKind, String)> {
        let context = self.cursor.context();
        if self.holder != Some(context) {
            return None;
        }
        let lock = match self.kswapd_waits? {
            Ok(lock) => lock.name().to_owned(),
            // Whoever allocates under a lock that reclaim needs knew what he did; others wait for the allocator.
            Err(lock) if self.takers[lock as usize] == context => return None,
            Err(lock) => format!("the {} lock", lock.name()),
        };
        Some((OracleKind::Stall, format!("percuss: a task retries for ever while kswapd waits for {lock}")))
    }

    /// A wait for pcpu_alloc_mutex ended, if there was one: with the mutex or with a signal.
    fn mutex(&mut self, program: &Program, killable: bool, taken: bool) -> Option<(OracleKind, String)> {
        let me = 1 << self.cursor.context();
        let waited = self.waiting & me != 0;
        self.waiting &= !me;
        let op = self.op();
        let must = must_not_fail(program, op);
        if !taken && must {
            return Some((OracleKind::Room, "percuss: a __GFP_NOFAIL allocation gives up its wait".to_owned()));
        }
        let allocates = !self.cursor.in_worker() && matches!(op_at(program, op), Some(Op::Alloc { .. }));
        if taken && !killable && waited && allocates && !must && self.killed & me != 0 {
            return Some((OracleKind::Stall, "percuss: a killed task waits on for pcpu_alloc_mutex".to_owned()));
        }
        None
    }
}

/// All signs in a log, in order.
pub fn scan(program: &Program, log: &Log) -> Vec<Finding> {
    let mut out = Vec::new();
    let mut reader = Reader::new();
    for (i, event) in log.events().iter().enumerate() {
        reader.feed(program, event);
        // Boot without memory is documented to panic.
        if !reader.cursor.booted() && *event == (Event::Stopped { reason: Stop::Panic }) && boot_memory_fails(program) {
            continue;
        }
        let (op, in_worker) = (reader.op(), reader.cursor.in_worker());
        let place = || if in_worker { "pcpu_balance_workfn" } else { function(program, op) };
        let of_itself = sign(program, op, event, place);
        if let Some((oracle, title)) = reader.sign(program, event).or(of_itself) {
            let text = log.text_of(i).unwrap_or_default();
            out.push(Finding::new(oracle, op, title, format!("{event:x?} {text}").trim().to_owned()));
        }
    }
    out
}

/// `place`: the function that the event is in, asked for when there is something to say of it.
#[inline]
fn sign(program: &Program, op: u32, event: &Event, place: impl Fn() -> &'static str) -> Option<(OracleKind, String)> {
    Some(match event {
        // Locks held, sleeping and misuse of locks are the lock-order engine's.
        Event::ContextLeak { held: 1.., .. } => return None,
        Event::SleepInAtomic { .. } | Event::LockMisuse { .. } | Event::LockFreed { .. } => return None,
        Event::ContextLeak { .. } => {
            (OracleKind::Context, format!("percuss: {} changes the caller's interrupt state", place()))
        }
        Event::StaleTranslation { .. } => (
            OracleKind::Mapping,
            format!("percuss: address used while an old translation may be cached in {}", place()),
        ),
        Event::PageFreedMapped { .. } => {
            (OracleKind::Mapping, format!("percuss: page freed while still mapped in {}", place()))
        }
        Event::MapOverPresent { .. } => {
            (OracleKind::Mapping, format!("percuss: mapping over a present entry in {}", place()))
        }
        Event::Fault { .. } => (OracleKind::Mapping, format!("BUG: unable to handle page fault in {}", place())),
        Event::BadPageFree { .. } => {
            (OracleKind::Ledger, format!("percuss: free of a page that is not allocated in {}", place()))
        }
        Event::BadKvfree { .. } => {
            (OracleKind::Ledger, format!("percuss: kvfree of memory not allocated in {}", place()))
        }
        Event::Diag { kind: Diag::Warn, .. } if !illegal_arguments(program, op) => {
            (OracleKind::Crash, format!("WARNING in {}", place()))
        }
        Event::Stopped { reason } => match reason {
            Stop::Bug => (OracleKind::Crash, format!("kernel BUG in {}", place())),
            Stop::Panic => (OracleKind::Crash, format!("kernel panic in {}", place())),
            Stop::Loud => (OracleKind::Crash, format!("percuss: path not modelled in {}", place())),
            Stop::Deadlock => (OracleKind::LockOrder, format!("percuss: deadlock in {}", place())),
            // What keeps memory from coming free is for the stall oracle to say; that none came is no defect.
            Stop::Stall => return None,
            Stop::StepLimit => (OracleKind::Crash, format!("percuss: endless loop in {}", place())),
            Stop::Internal => (OracleKind::Crash, "percuss: internal error".to_owned()),
        },
        Event::Diag { .. } | Event::TraceAlloc(_) | Event::TraceAllocFail { .. } => return None,
        Event::TraceFree { .. } | Event::TraceCreate { .. } | Event::TraceDestroy { .. } => return None,
        Event::Boot { .. } | Event::Switch { .. } | Event::OpBegin { .. } | Event::OpEnd { .. } => return None,
        Event::WorkBegin | Event::WorkEnd | Event::State { .. } => return None,
        events!(locks | context | requests | releases | services | reclaim) => return None,
    })
}
