// SPDX-License-Identifier: GPL-2.0-only
//! Events that are wrong by themselves, whoever made them.

use super::finding::{Finding, Oracle};
use percuss_kernel::event::{Event, Ext, Site, Stop};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{CONTEXTS, DRAIN, Diag, KSWAPD, Lock, WORKER, op_is_nested};
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

/// Where the reader of a log is: context, op, and what else the rules below ask about.
struct Reader {
    current: usize,
    ops: [u32; CONTEXTS],
    /// Contexts and their ops inside which a shrinker's or a handler's runs.
    outer: Vec<(usize, u32)>,
    before_work: usize,
    booted: bool,
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
            current: 0,
            ops: [0; CONTEXTS],
            outer: Vec::new(),
            before_work: 0,
            booted: false,
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
        match *event {
            Event::OpBegin { op } => {
                let outer = std::mem::replace(&mut self.ops[self.current], op);
                if op_is_nested(op) {
                    self.outer.push((self.current, outer));
                }
                self.booted = true;
            }
            Event::OpEnd { op, .. } => {
                if op_is_nested(op)
                    && let Some(at) = self.outer.iter().rposition(|(context, _)| *context == self.current)
                {
                    self.ops[self.current] = self.outer.remove(at).1;
                }
                if let Some(Op::Signal { task }) = op_at(program, op) {
                    self.killed |= 1 << task.map_or(self.current, usize::from);
                }
            }
            Event::OomKill { victim: Some(task) } => self.killed |= 1 << task,
            Event::Switch { task } => self.current = usize::from(task).min(CONTEXTS - 1),
            Event::WorkBegin => {
                self.ops[WORKER] = self.ops[self.current];
                self.before_work = std::mem::replace(&mut self.current, WORKER);
            }
            Event::WorkEnd => self.current = self.before_work,
            Event::MutexLock { lock: Lock::AllocMutex, taken: true, .. } => {
                self.holder = Some(self.current);
                if self.current == KSWAPD {
                    self.kswapd_waits = None;
                }
            }
            Event::MutexUnlock { lock: Lock::AllocMutex } => self.holder = None,
            Event::Wait { lock } if self.current == KSWAPD => self.kswapd_waits = Some(Ok(lock)),
            Event::WaitExt { lock, .. } if self.current == KSWAPD => self.kswapd_waits = Some(Err(lock)),
            Event::MutexLock { .. } | Event::SpinLock { .. } if self.current == KSWAPD => self.kswapd_waits = None,
            Event::LockExt { lock, .. } => {
                self.takers[lock as usize] = self.current;
                if self.current == KSWAPD {
                    self.kswapd_waits = None;
                }
            }
            _ => {}
        }
    }

    /// Rules about more than one event.
    fn sign(&mut self, program: &Program, event: &Event) -> Option<(Oracle, String)> {
        let allocated =
            std::mem::replace(&mut self.allocated, matches!(event, Event::Kzalloc { .. } | Event::Vmalloc { .. }));
        match event {
            Event::Wait { lock: Lock::AllocMutex } => {
                self.waiting |= 1 << self.current;
                None
            }
            Event::MutexLock { lock: Lock::AllocMutex, killable, taken } => self.mutex(program, *killable, *taken),
            Event::Diag { kind: Diag::Printk(4), nargs: 3, .. } => {
                self.warnings += 1;
                let title = || "percuss: more warnings of failed allocations than the limit".to_owned();
                (self.warnings == WARNINGS + 1).then(|| (Oracle::Invariants, title()))
            }
            Event::FlushCache { unmap: true, .. } if allocated => {
                Some((Oracle::Context, "percuss: depopulating allocates memory".to_owned()))
            }
            // That nobody has memory is no defect; that who could free some waits for the one who needs it is.
            // Without the mutex it is no business of the allocator.
            Event::Stopped { reason: Stop::Stall } if self.holder == Some(self.current) => {
                let lock = match self.kswapd_waits? {
                    Ok(lock) => lock.name().to_owned(),
                    // Whoever allocates under a lock that reclaim needs knew what he did; others wait for the allocator.
                    Err(lock) if self.takers[lock as usize] == self.current => return None,
                    Err(lock) => format!("the {} lock", lock.name()),
                };
                Some((Oracle::Stall, format!("percuss: a task retries for ever while kswapd waits for {lock}")))
            }
            _ => None,
        }
    }
}

impl Reader {
    /// A wait for pcpu_alloc_mutex ended, if there was one: with the mutex or with a signal.
    fn mutex(&mut self, program: &Program, killable: bool, taken: bool) -> Option<(Oracle, String)> {
        let me = 1 << self.current;
        let waited = self.waiting & me != 0;
        self.waiting &= !me;
        let op = self.ops[self.current];
        let must = must_not_fail(program, op);
        if !taken && must {
            return Some((Oracle::Room, "percuss: a __GFP_NOFAIL allocation gives up its wait".to_owned()));
        }
        let allocates = self.current != WORKER && matches!(op_at(program, op), Some(Op::Alloc { .. }));
        if taken && !killable && waited && allocates && !must && self.killed & me != 0 {
            return Some((Oracle::Stall, "percuss: a killed task waits on for pcpu_alloc_mutex".to_owned()));
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
        if !reader.booted && *event == (Event::Stopped { reason: Stop::Panic }) && boot_memory_fails(program) {
            continue;
        }
        let op = reader.ops[reader.current];
        let place = || match reader.current {
            WORKER => "pcpu_balance_workfn",
            _ => function(program, op),
        };
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
fn sign(program: &Program, op: u32, event: &Event, place: impl Fn() -> &'static str) -> Option<(Oracle, String)> {
    Some(match event {
        // Locks held, sleeping and misuse of locks are the lock-order engine's.
        Event::ContextLeak { held: 1.., .. } => return None,
        Event::ContextLeak { .. } => {
            (Oracle::Context, format!("percuss: {} changes the caller's interrupt state", place()))
        }
        Event::StaleTranslation { .. } => {
            (Oracle::Mapping, format!("percuss: address used while an old translation may be cached in {}", place()))
        }
        Event::PageFreedMapped { .. } => {
            (Oracle::Mapping, format!("percuss: page freed while still mapped in {}", place()))
        }
        Event::MapOverPresent { .. } => {
            (Oracle::Mapping, format!("percuss: mapping over a present entry in {}", place()))
        }
        Event::Fault { .. } => (Oracle::Mapping, format!("BUG: unable to handle page fault in {}", place())),
        Event::BadPageFree { .. } => {
            (Oracle::Ledger, format!("percuss: free of a page that is not allocated in {}", place()))
        }
        Event::BadKvfree { .. } => (Oracle::Ledger, format!("percuss: kvfree of memory not allocated in {}", place())),
        Event::Diag { kind: Diag::Warn, .. } if !illegal_arguments(program, op) => {
            (Oracle::Crash, format!("WARNING in {}", place()))
        }
        Event::Stopped { reason } => match reason {
            Stop::Bug => (Oracle::Crash, format!("kernel BUG in {}", place())),
            Stop::Panic => (Oracle::Crash, format!("kernel panic in {}", place())),
            Stop::Loud => (Oracle::Crash, format!("percuss: path not modelled in {}", place())),
            Stop::Deadlock => (Oracle::LockOrder, format!("percuss: deadlock in {}", place())),
            // What keeps memory from coming free is for the stall oracle to say; that none came is no defect.
            Stop::Stall => return None,
            Stop::StepLimit => (Oracle::Crash, format!("percuss: endless loop in {}", place())),
            Stop::Internal => (Oracle::Crash, "percuss: internal error".to_owned()),
        },
        _ => return None,
    })
}
