// SPDX-License-Identifier: GPL-2.0-only
//! The caller contract: what callers of the percpu allocator owe it. One table, from which the documentation, repair
//! and the naming of caller errors come.

use super::op::Op;
use super::{Geometry, Program, limits};
use crate::world::gfp::Gfp;

/// A duty of callers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rule {
    /// Its number, for ever.
    pub number: u8,
    /// What a caller must do or not do.
    pub text: &'static str,
    /// Where the kernel says so.
    pub source: &'static str,
    /// How percuss keeps it.
    pub kept: &'static str,
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rule {}: {}", self.number, self.text)
    }
}

/// All rules, by number.
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
];

/// The rule of a number.
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

/// Every flag with a name.
pub const KNOWN_FLAGS: Gfp = {
    let (mut bits, mut i) = (0, 0);
    while i < Gfp::NAMES.len() {
        bits |= Gfp::NAMES[i].1.0;
        i += 1;
    }
    Gfp(bits)
};

/// Where a program breaks the contract.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The rule.
    pub rule: &'static Rule,
    /// Task by index.
    pub task: usize,
    /// Op of the task by index; the number of its ops for what is missing at its end.
    pub op: usize,
}

/// What a task owes at a point of its run. One per task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ContractState {
    possible: u64,
    scopes: usize,
    atomic: usize,
    irqs_off: bool,
}

impl ContractState {
    /// A task that starts.
    pub fn new(boot: &Geometry) -> ContractState {
        ContractState { possible: boot.cpus, scopes: 0, atomic: 0, irqs_off: false }
    }

    /// Which rule the task would break by running `op` now.
    pub fn check(&self, op: &Op) -> Result<(), &'static Rule> {
        let keep = |ok: bool, rule| if ok { Ok(()) } else { Err(rule) };
        match *op {
            Op::Alloc { gfp, .. } => {
                keep(KNOWN_FLAGS.contains(gfp), MASK)?;
                keep(!gfp.allows_blocking() || self.atomic == 0, SLEEP_ATOMIC)?;
                keep(!gfp.allows_blocking() || !self.irqs_off, SLEEP_IRQ)?;
                keep(!gfp.intersects(Gfp::NOFAIL) || gfp.allows_blocking(), NOFAIL)
            }
            Op::Balance => keep(self.may_sleep(), BALANCE),
            Op::Enter { .. } => keep(self.scopes < limits::DEPTH, SCOPES),
            Op::Leave => keep(self.scopes > 0, SCOPES),
            Op::AtomicBegin => keep(self.atomic < limits::DEPTH, ATOMIC),
            Op::AtomicEnd => keep(self.atomic > 0, ATOMIC),
            Op::IrqOff => keep(!self.irqs_off, IRQS),
            Op::IrqOn => keep(self.irqs_off, IRQS),
            Op::IsStatic { cpu, .. } | Op::Phys { cpu, .. } => {
                keep(self.possible.checked_shr(u32::from(cpu)).is_some_and(|m| m & 1 == 1), CPU)
            }
            Op::Free { .. } | Op::Memcg { .. } | Op::Write { .. } | Op::Verify { .. } | Op::NrPages | Op::Signal => {
                Ok(())
            }
        }
    }

    /// The task ran `op`, whether it was allowed to or not.
    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::Enter { .. } => self.scopes += 1,
            Op::Leave => self.scopes = self.scopes.saturating_sub(1),
            Op::AtomicBegin => self.atomic += 1,
            Op::AtomicEnd => self.atomic = self.atomic.saturating_sub(1),
            Op::IrqOff => self.irqs_off = true,
            Op::IrqOn => self.irqs_off = false,
            _ => {}
        }
    }

    /// The task may sleep here.
    pub fn may_sleep(&self) -> bool {
        self.atomic == 0 && !self.irqs_off
    }

    /// The task may end here; else which rule it breaks by ending.
    pub fn check_end(&self) -> Result<(), &'static Rule> {
        match self.closers().next() {
            None => Ok(()),
            Some(Op::IrqOn) => Err(IRQS),
            Some(Op::AtomicEnd) => Err(ATOMIC),
            Some(_) => Err(SCOPES),
        }
    }

    /// How many ops [`ContractState::closers`] gives.
    pub fn nr_closers(&self) -> usize {
        usize::from(self.irqs_off) + self.atomic + self.scopes
    }

    /// The ops that undo what is in force.
    pub fn closers(&self) -> impl Iterator<Item = Op> + use<> {
        let closers = [(Op::IrqOn, usize::from(self.irqs_off)), (Op::AtomicEnd, self.atomic), (Op::Leave, self.scopes)];
        closers.into_iter().flat_map(|(op, n)| std::iter::repeat_n(op, n))
    }
}

impl Program {
    /// Everywhere the program breaks the contract, task by task.
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        for (task, ops) in self.tasks.iter().enumerate() {
            let mut state = ContractState::new(&self.boot);
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
