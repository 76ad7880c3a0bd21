// SPDX-License-Identifier: GPL-2.0-only
//! The caller contract: what callers of the percpu allocator owe it.
//!
//! A program that breaks the contract can make a correct allocator misbehave, so generated programs keep it and a
//! finding is always the tree's. The documentation, [`Program::repair`] and the names of caller errors all come from
//! the one table [`RULES`].
//!
//! [`ContractState`] follows one task through its ops: ask [`ContractState::check`] before an op, report the
//! op with [`ContractState::apply`], and ask [`ContractState::check_end`] after the last.

use super::Program;
use super::lock::{HeldLock, LOCKS};
use super::op::Op;
use percuss_kernel::event::Ext;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Geometry, Scope, limits};

/// One duty of callers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rule {
    /// From 1; never reused or changed: reports, documents and scenarios name rules by number.
    pub number: u8,
    /// What a caller must do or not do; shown in error messages.
    pub text: &'static str,
    /// Where the kernel states the rule or relies on it.
    pub source: &'static str,
    /// How percuss makes programs keep the rule.
    pub kept: &'static str,
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rule {}: {}", self.number, self.text)
    }
}

/// All rules in order of their number.
pub const RULES: &[Rule] = &[
    Rule {
        number: 1,
        text: "no allocation that may sleep (`__GFP_DIRECT_RECLAIM`) with preemption disabled",
        source: "mm/percpu.c: the allocation takes pcpu_alloc_mutex unless the mask makes it atomic; include/linux/gfp.h: gfpflags_allow_blocking()",
        kept: "repair takes `__GFP_DIRECT_RECLAIM` out of the mask",
    },
    Rule {
        number: 2,
        text: "no allocation that may sleep (`__GFP_DIRECT_RECLAIM`) with interrupts off",
        source: "mm/percpu.c: as for rule 1; a mutex may sleep",
        kept: "repair takes `__GFP_DIRECT_RECLAIM` out of the mask",
    },
    Rule {
        number: 3,
        text: "the balance work runs on a worker, which a task can only wait for where it may sleep",
        source: "mm/percpu.c: pcpu_balance_workfn() takes pcpu_alloc_mutex; kernel/workqueue.c: flush_work() may sleep",
        kept: "repair drops a `balance` in atomic context or with interrupts off",
    },
    Rule {
        number: 4,
        text: "`__GFP_NOFAIL` only together with `__GFP_DIRECT_RECLAIM`",
        source: "mm/page_alloc.c: __alloc_pages_slowpath() does not support the one without the other",
        kept: "repair takes `__GFP_NOFAIL` out of the mask",
    },
    Rule {
        number: 5,
        text: "only masks made of flags that percuss knows",
        source: "include/linux/gfp_types.h",
        kept: "repair clears the other bits",
    },
    Rule {
        number: 6,
        text: "gfp scopes are left innermost first, none is left that was not entered, all are left before the task ends, and they are at most 8 deep",
        source: "include/linux/sched/mm.h: memalloc_noio_restore() and its like take what the pairing save returned; the depth is ours",
        kept: "repair drops what does not pair and leaves what is still entered",
    },
    Rule {
        number: 7,
        text: "preemption is enabled as often as it was disabled before the task ends, and at most 8 deep",
        source: "include/linux/preempt.h: preempt_disable() and preempt_enable() count; the depth is ours",
        kept: "repair drops what does not pair and ends what is still begun",
    },
    Rule {
        number: 8,
        text: "interrupts are turned off only when on, on only when off, and are on before the task ends",
        source: "include/linux/irqflags.h: local_irq_disable() and local_irq_enable() do not nest",
        kept: "repair drops what does not pair and turns them on at the end",
    },
    Rule {
        number: 9,
        text: "only copies of possible CPUs are addressed",
        source: "include/linux/percpu-defs.h: per_cpu_ptr() adds __per_cpu_offset[], which is set for possible CPUs only",
        kept: "repair takes the CPU modulo the possible ones",
    },
    Rule {
        number: 10,
        text: "only live areas are freed, and each once",
        source: "mm/percpu.c: free_percpu() trusts its argument (trees from 7.2 on warn)",
        kept: "by construction: `free` makes its variable NULL, and freeing NULL is legal",
    },
    Rule {
        number: 11,
        text: "external locks are taken in one order (freeze or submit, blkcg, shrinker, fs, io, spin, irq-spin), each once, sleeping ones only where the task may sleep; the task that took one releases it before it ends",
        source: "Documentation/locking: any order will do, but there must be one, or callers deadlock without an allocator",
        kept: "repair drops what breaks the order and releases what is still held",
    },
    Rule {
        number: 12,
        text: "no allocation that may enter file systems (`__GFP_FS` with `__GFP_DIRECT_RECLAIM`, by mask and scope) under a lock that file systems take in reclaim",
        source: "Documentation/core-api/gfp_mask-from-fs-io.rst",
        kept: "repair takes `__GFP_FS` out of the mask",
    },
    Rule {
        number: 13,
        text: "no allocation that may start IO (`__GFP_IO` with `__GFP_DIRECT_RECLAIM`, by mask and scope) under a lock that IO takes, while a queue is frozen, or with IO in flight into one",
        source: "Documentation/core-api/gfp_mask-from-fs-io.rst; block/blk-mq.c: blk_mq_freeze_queue() waits for IO in flight and keeps new IO out",
        kept: "repair takes `__GFP_IO` and `__GFP_FS` out of the mask",
    },
    Rule {
        number: 14,
        text: "interrupts start only where interrupts are on and none runs, and end before their task does; their handlers take no lock, no scope, no memcg and no balance",
        source: "include/linux/preempt.h; hard interrupts do not nest here",
        kept: "repair drops what does not pair and ends what is still running",
    },
    Rule {
        number: 15,
        text: "a shrinker only allocates, frees, writes, verifies and takes locks; it allocates without `__GFP_FS` and `__GFP_IO`, and one that also runs without `__GFP_FS` allocates nothing that may sleep and takes no lock of file systems or IO",
        source: "mm/vmscan.c: do_shrink_slab() runs inside reclaim, of holders of any lock that reclaim's mask allows",
        kept: "repair drops what a shrinker must not do and takes the flags out of the mask",
    },
    Rule {
        number: 16,
        text: "the scheduler does not allocate under its run queue's lock",
        source: "mm/percpu.c: an allocation may queue the balance work; kernel/workqueue.c: that wakes a worker, which takes the lock of a run queue",
        kept: "repair drops a `sched-probe`: only programs marked `unsafe-caller` have one",
    },
    Rule {
        number: 17,
        text: "a declared handler only allocates without sleeping, frees, writes, verifies, asks and signals",
        source: "as for rules 2 and 14",
        kept: "repair drops what a handler must not do and takes `__GFP_DIRECT_RECLAIM` out of the mask",
    },
];

/// The rule of a number.
///
/// Evaluated at compile time, so that a number out of order does not build.
// The index is the number less one only as long as no rule is removed; the assertion says so.
const fn rule(number: u8) -> &'static Rule {
    let found = &RULES[number as usize - 1];
    assert!(found.number == number);
    found
}

const SLEEP_ATOMIC: &Rule = rule(1);
const SLEEP_IRQ: &Rule = rule(2);
const BALANCE: &Rule = rule(3);
const NOFAIL: &Rule = rule(4);
pub(super) const MASK: &Rule = rule(5);
const SCOPES: &Rule = rule(6);
const ATOMIC: &Rule = rule(7);
const IRQS: &Rule = rule(8);
const CPU: &Rule = rule(9);
const LOCKING: &Rule = rule(11);
const UNDER_FS: &Rule = rule(12);
const UNDER_IO: &Rule = rule(13);
const INTERRUPT: &Rule = rule(14);
const SHRINKER: &Rule = rule(15);
const SCHEDULER: &Rule = rule(16);
const HANDLER: &Rule = rule(17);

/// Union of the gfp flags that have a name here.
///
/// Other bits mean different things in different trees.
pub const KNOWN_FLAGS: Gfp = {
    let (mut bits, mut i) = (0, 0);
    while i < Gfp::NAMES.len() {
        bits |= Gfp::NAMES[i].1.0;
        i += 1;
    }
    Gfp(bits)
};

/// A place where a program breaks the contract.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Violation {
    pub rule: &'static Rule,
    /// List of ops: a task by index.
    ///
    /// Shrinkers are numbered after the last possible task, handlers after the last possible shrinker, as in op
    /// numbers.
    pub task: usize,
    /// Index of the op in its list; the length of the list for what is missing at its end.
    pub op: usize,
}

/// What kind of context runs the ops.
///
/// Shrinkers and handlers may do less than a task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Task,
    /// A shrinker; a gated one runs only in reclaim with `__GFP_FS`, when no file system lock can be held.
    Shrinker {
        gated: bool,
    },
    Handler,
}

/// What is in force at one point of a task: scopes, sections, locks, interrupts.
///
/// One per task, and cheap to copy, since repair tries an op on a copy first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ContractState {
    possible: u64,
    role: Role,
    scopes: [Option<Scope>; limits::DEPTH],
    atomic: usize,
    irqs_off: bool,
    /// Locks held, one bit for each row of [`LOCKS`].
    ///
    /// The order of rows is the order of taking, so a new lock must have a higher bit than all held ones.
    locks: u8,
    /// The kind of the interrupt handler on top of the task, true for hard; None outside an interrupt.
    interrupt: Option<bool>,
}

impl ContractState {
    /// The state at the start of a task: nothing held, nothing disabled.
    pub fn new(boot: &Geometry) -> ContractState {
        ContractState {
            possible: boot.cpus,
            role: Role::Task,
            scopes: [None; limits::DEPTH],
            atomic: 0,
            irqs_off: false,
            locks: 0,
            interrupt: None,
        }
    }

    pub fn shrinker(boot: &Geometry, gated: bool) -> ContractState {
        ContractState { role: Role::Shrinker { gated }, ..ContractState::new(boot) }
    }

    /// The state at the start of a declared handler, which runs in interrupt context from its first op to its last.
    pub fn handler(boot: &Geometry, hard: bool) -> ContractState {
        ContractState { role: Role::Handler, interrupt: Some(hard), ..ContractState::new(boot) }
    }

    /// The rule that the task would break by running `op` now.
    pub fn check(&self, op: &Op) -> Result<(), &'static Rule> {
        let keep = |ok: bool, rule| if ok { Ok(()) } else { Err(rule) };
        // What the kind of context forbids comes first: its rule explains more than the general one.
        if let Role::Shrinker { gated } = self.role {
            keep(shrinker_may(op, gated), SHRINKER)?;
        }
        if self.role == Role::Handler {
            keep(handler_may(op), HANDLER)?;
        }
        match *op {
            Op::Alloc { gfp, .. } => {
                keep(KNOWN_FLAGS.contains(gfp), MASK)?;
                // Preemption is tested before interrupts, so that an op that breaks both always names the same rule.
                keep(!gfp.allows_blocking() || self.atomic == 0 && !self.spins(), SLEEP_ATOMIC)?;
                keep(!gfp.allows_blocking() || !self.irqs_off && self.interrupt.is_none(), SLEEP_IRQ)?;
                // The page allocator cannot honour it without reclaim.
                keep(!gfp.intersects(Gfp::NOFAIL) || gfp.allows_blocking(), NOFAIL)?;
                // With PF_MEMALLOC the page allocator does not reclaim, so no lock of file systems or IO is taken.
                let reclaims = gfp.allows_blocking() && !self.in_scope(Scope::Memalloc);
                // IO first: a lock that forbids IO forbids FS too, and rule 13 is the stronger one.
                keep(!reclaims || !self.forbidden().intersects(self.in_context(gfp) & Gfp::IO), UNDER_IO)?;
                keep(!reclaims || !self.forbidden().intersects(self.in_context(gfp) & Gfp::FS), UNDER_FS)
            }
            Op::Balance => keep(self.may_sleep(), BALANCE),
            Op::Enter { .. } => {
                keep(self.interrupt.is_none(), INTERRUPT)?;
                // Scopes fill the array from the front, so the last slot is free if any is.
                keep(self.scopes[limits::DEPTH - 1].is_none(), SCOPES)
            }
            Op::Leave => {
                keep(self.interrupt.is_none(), INTERRUPT)?;
                keep(self.scopes[0].is_some(), SCOPES)
            }
            Op::AtomicBegin => keep(self.atomic < limits::DEPTH && self.interrupt.is_none(), ATOMIC),
            Op::AtomicEnd => keep(self.atomic > 0 && self.interrupt.is_none(), ATOMIC),
            Op::IrqOff => keep(!self.irqs_off && self.interrupt.is_none() && !self.holds(Ext::IrqSpin), IRQS),
            Op::IrqOn => keep(self.irqs_off && self.interrupt.is_none(), IRQS),
            Op::IsStatic { cpu, .. } | Op::Phys { cpu, .. } => {
                // An unsafe program may name CPU 64 and above, for which a plain shift would overflow.
                keep(self.possible.checked_shr(u32::from(cpu)).is_some_and(|m| m & 1 == 1), CPU)
            }
            Op::Lock { lock } => self.check_lock(lock),
            Op::Unlock { lock } => keep(self.locks >> lock.index() & 1 == 1 && self.interrupt.is_none(), LOCKING),
            Op::Interrupt { .. } => keep(self.takes_interrupts(), INTERRUPT),
            Op::InterruptEnd => keep(self.interrupt.is_some(), INTERRUPT),
            Op::Memcg { .. } => keep(self.interrupt.is_none(), INTERRUPT),
            Op::Free { .. }
            | Op::Write { .. }
            | Op::Verify { .. }
            | Op::NrPages
            | Op::Signal { .. }
            | Op::Call { .. } => Ok(()),
            Op::SchedProbe { .. } => Err(SCHEDULER),
        }
    }

    /// Locks are taken in the order of [`LOCKS`], each once, and sleeping ones only where the task may sleep.
    fn check_lock(&self, lock: HeldLock) -> Result<(), &'static Rule> {
        let free = 1 << lock.index() > self.locks && !self.holds(lock.lock);
        let sleeps = lock.spins() || self.may_sleep();
        let allowed = self.interrupt.is_none();
        // Releasing the lock turns interrupts on, whatever they were before; taking it with interrupts off would leave
        // them on.
        let irqs = lock.lock != Ext::IrqSpin || !self.irqs_off;
        if free && sleeps && allowed && irqs { Ok(()) } else { Err(LOCKING) }
    }

    /// Takes note of an op that ran, whether or not the contract allowed it: unsafe programs are followed too, to name
    /// the first rule they break.
    pub fn apply(&mut self, op: &Op) {
        match *op {
            Op::Enter { scope } => {
                // A scope too deep is ignored; an unsafe program may enter more than there is room for.
                if let Some(free) = self.scopes.iter_mut().find(|s| s.is_none()) {
                    *free = Some(scope);
                }
            }
            Op::Leave => {
                if let Some(last) = self.scopes.iter_mut().rfind(|s| s.is_some()) {
                    *last = None;
                }
            }
            Op::AtomicBegin => self.atomic += 1,
            Op::AtomicEnd => self.atomic = self.atomic.saturating_sub(1),
            Op::IrqOff => self.irqs_off = true,
            Op::IrqOn => self.irqs_off = false,
            Op::Lock { lock } => self.locks |= 1 << lock.index(),
            Op::Unlock { lock } => self.locks &= !(1 << lock.index()),
            Op::Interrupt { hard } => self.interrupt = Some(hard),
            Op::InterruptEnd => self.interrupt = None,
            _ => {}
        }
    }

    /// True where the task may sleep: no atomic section, interrupts on, no spinlock held, outside interrupts.
    pub fn may_sleep(&self) -> bool {
        self.atomic == 0 && !self.irqs_off && !self.spins() && self.interrupt.is_none()
    }

    /// The flags that an allocation with direct reclaim must not have here, because of the locks held or of reclaim
    /// that already runs: `__GFP_IO`, `__GFP_FS`, both or none.
    pub fn forbidden(&self) -> Gfp {
        let shrinker = self.role != Role::Task;
        // Without IO a file system cannot write back either, so a mask without `__GFP_IO` has no `__GFP_FS`.
        if shrinker || self.holds(Ext::Io) || self.holds(Ext::Freeze) {
            Gfp::IO | Gfp::FS
        } else if self.holds(Ext::Fs) {
            Gfp::FS
        } else {
            Gfp::NONE
        }
    }

    /// True in a shrinker that runs in every reclaim, whatever locks the reclaiming task holds.
    ///
    /// Such a shrinker cannot know what it may wait for.
    pub fn never_sleeps(&self) -> bool {
        self.role == Role::Shrinker { gated: false }
    }

    /// Interrupts of the simulated kernel do not nest, and a shrinker or handler has none of its own.
    fn takes_interrupts(&self) -> bool {
        self.interrupt.is_none() && !self.irqs_off && !self.holds(Ext::IrqSpin) && self.role == Role::Task
    }

    /// Held locks, outermost first.
    fn held(&self) -> impl DoubleEndedIterator<Item = HeldLock> + use<> {
        let locks = self.locks;
        LOCKS.iter().enumerate().filter(move |(i, _)| locks >> i & 1 == 1).map(|(_, (lock, _))| *lock)
    }

    fn holds(&self, lock: Ext) -> bool {
        self.locks != 0 && self.held().any(|h| h.lock == lock)
    }

    fn spins(&self) -> bool {
        self.locks != 0 && self.held().any(HeldLock::spins)
    }

    fn in_scope(&self, scope: Scope) -> bool {
        self.scopes.contains(&Some(scope))
    }

    /// The mask that an allocation has after the scopes of its task, as in `current_gfp_context()`.
    fn in_context(&self, gfp: Gfp) -> Gfp {
        if self.in_scope(Scope::Noio) {
            gfp.without(Gfp::IO | Gfp::FS)
        } else if self.in_scope(Scope::Nofs) {
            gfp.without(Gfp::FS)
        } else {
            gfp
        }
    }

    /// The rule that the task breaks if it ends here with something still in force.
    pub fn check_end(&self) -> Result<(), &'static Rule> {
        match self.closers().next() {
            None => Ok(()),
            Some(Op::IrqOn) => Err(IRQS),
            Some(Op::AtomicEnd) => Err(ATOMIC),
            Some(Op::InterruptEnd) => Err(INTERRUPT),
            Some(Op::Unlock { .. }) => Err(LOCKING),
            Some(_) => Err(SCOPES),
        }
    }

    /// Number of ops that [`ContractState::closers`] yields.
    pub fn nr_closers(&self) -> usize {
        self.closers().count()
    }

    /// The ops that end what is in force, in an order that is legal: the handler first, then locks from the innermost
    /// out, interrupts, atomic sections, and scopes.
    ///
    /// Repair appends them to a task that ends early.
    pub fn closers(&self) -> impl Iterator<Item = Op> + use<> {
        // A declared handler returns with its last op and needs no `interrupt-end`.
        let ends = self.interrupt.filter(|_| self.role != Role::Handler).map(|_| Op::InterruptEnd).into_iter();
        let locks = self.held().rev().map(|lock| Op::Unlock { lock });
        let scopes = self.scopes.iter().flatten().count();
        let rest = [(Op::IrqOn, usize::from(self.irqs_off)), (Op::AtomicEnd, self.atomic), (Op::Leave, scopes)];
        ends.chain(locks).chain(rest.into_iter().flat_map(|(op, n)| std::iter::repeat_n(op, n)))
    }
}

/// True if rule 15 allows the op in a shrinker: it runs inside reclaim, so whatever it waits for must not wait for
/// reclaim.
fn shrinker_may(op: &Op, gated: bool) -> bool {
    match op {
        Op::Alloc { gfp, .. } => gated || !gfp.allows_blocking(),
        Op::Lock { lock } | Op::Unlock { lock } => {
            matches!(lock.lock, Ext::Spin | Ext::IrqSpin) || gated && matches!(lock.lock, Ext::Fs | Ext::Io)
        }
        Op::Free { .. } | Op::Write { .. } | Op::Verify { .. } => true,
        _ => false,
    }
}

/// True if rule 17 allows the op in a handler.
///
/// That its allocations do not sleep is checked by rule 2.
fn handler_may(op: &Op) -> bool {
    matches!(
        op,
        Op::Alloc { .. }
            | Op::Free { .. }
            | Op::Write { .. }
            | Op::Verify { .. }
            | Op::IsStatic { .. }
            | Op::Phys { .. }
            | Op::NrPages
            | Op::Call { .. }
            | Op::Signal { .. }
    )
}

impl Program {
    /// All places where the program breaks the contract: task by task, then shrinkers, then handlers.
    pub fn violations(&self) -> Vec<Violation> {
        let tasks = self.tasks.iter().map(|ops| (ops, ContractState::new(&self.boot)));
        let shrinkers = self.shrinkers.iter().map(|s| (&s.ops, ContractState::shrinker(&self.boot, s.gated)));
        let mut found = Vec::new();
        let handlers = self.handlers.iter().map(|h| (&h.ops, ContractState::handler(&self.boot, h.hard)));
        let numbered = (0..).zip(tasks).chain((limits::TASKS..).zip(shrinkers));
        let numbered = numbered.chain((limits::TASKS + limits::SHRINKERS..).zip(handlers));
        for (task, (ops, mut state)) in numbered {
            // Each violation is reported once and then taken as done, so that one missing op does not flag all that
            // follow.
            for (i, op) in ops.iter().enumerate() {
                if let Err(rule) = state.check(op) {
                    found.push(Violation { rule, task, op: i });
                }
                state.apply(op);
            }
            if let Err(rule) = state.check_end() {
                found.push(Violation { rule, task, op: ops.len() });
            }
        }
        found
    }
}
