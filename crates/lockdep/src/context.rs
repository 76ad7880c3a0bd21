// SPDX-License-Identifier: GPL-2.0-only
//! Contexts: what a task holds, and what it may do. The kernel's `task_struct` as lockdep sees it.

use super::class::{Class, Wait};
use super::matrix::Read;
use super::place::{Call, Place};
use percuss_kernel::Scope;
use percuss_kernel::gfp::Gfp;

/// Locks a context can hold at once (the kernel: MAX_LOCK_DEPTH, 48).
pub(super) const DEPTH: usize = 32;
/// Interrupts that can nest.
const NESTING: usize = 8;

/// A lock that is held: the kernel's `held_lock`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub class: Class,
    pub read: Read,
    pub trylock: bool,
    /// What is below takes part in dependencies too: this lock does not carry them all on.
    pub through: bool,
    /// Interrupts were off before it was taken.
    pub irqs_before: bool,
    /// Interrupt context: 0 process, bit 0 soft, bit 1 hard.
    pub irq_context: u8,
    /// The strictest wait type from here down to where the interrupt context began.
    pub strictest: u8,
    pub place: Place,
}

const NOTHING: Held = Held {
    class: Class(0),
    read: Read::Exclusive,
    trylock: false,
    through: false,
    irqs_before: false,
    irq_context: 0,
    strictest: 0,
    place: Place { index: 0, op: 0, task: 0, call: Call::Unknown },
};

/// A task, the worker or kswapd.
#[derive(Clone, Debug)]
pub(super) struct Context {
    held: [Held; DEPTH],
    depth: u8,
    /// Classes held.
    pub holds: u64,
    pub irqs_off: bool,
    pub preempt: u32,
    hard: u8,
    soft: u8,
    scopes: u8,
    /// What irqs_off was before each interrupt that runs.
    interrupts: [bool; NESTING],
    nested: u8,
}

impl Context {
    pub fn new() -> Context {
        Context {
            held: [NOTHING; DEPTH],
            depth: 0,
            holds: 0,
            irqs_off: false,
            preempt: 0,
            hard: 0,
            soft: 0,
            scopes: 0,
            interrupts: [false; NESTING],
            nested: 0,
        }
    }

    /// As new, without touching what the counters hide.
    pub fn clear(&mut self) {
        self.depth = 0;
        self.holds = 0;
        self.irqs_off = false;
        self.preempt = 0;
        (self.hard, self.soft) = (0, 0);
        self.scopes = 0;
        self.nested = 0;
    }

    /// Locks held, the first taken first.
    #[inline]
    pub fn held(&self) -> &[Held] {
        &self.held[..self.depth as usize % (DEPTH + 1)]
    }

    /// Adds a lock on top; false when there is no room.
    #[inline]
    pub fn push(&mut self, lock: Held) -> bool {
        let Some(slot) = self.held.get_mut(self.depth as usize) else { return false };
        *slot = lock;
        self.depth += 1;
        self.holds |= lock.class.bit();
        true
    }

    /// Takes out the topmost lock of a class. `wait` and `top` are for the others' wait types.
    #[inline]
    pub fn release(&mut self, class: Class, wait: impl Fn(Class) -> u8, top: u8) -> Option<Held> {
        let last = *self.held().last()?;
        // As a rule it is the last taken, and the only one of its class.
        if last.class == class && self.holds.count_ones() == self.depth as u32 {
            self.depth -= 1;
            self.holds &= !class.bit();
            return Some(last);
        }
        self.release_below(class, wait, top)
    }

    #[cold]
    fn release_below(&mut self, class: Class, wait: impl Fn(Class) -> u8, top: u8) -> Option<Held> {
        let at = self.held().iter().rposition(|h| h.class == class)?;
        let gone = self.held[at];
        let left = self.depth as usize - 1;
        self.held.copy_within(at + 1..left + 1, at);
        self.depth -= 1;
        self.holds = 0;
        for i in 0..left {
            let class = self.held[i].class;
            self.holds |= class.bit();
            self.held[i].strictest = stricter(self.strictest_of(i, self.held[i].irq_context, top), wait(class));
        }
        Some(gone)
    }

    /// The strictest wait type that holds below position `at`.
    fn strictest_of(&self, at: usize, irq_context: u8, top: u8) -> u8 {
        match at.checked_sub(1).map(|below| &self.held[below]) {
            Some(below) if below.irq_context == irq_context => below.strictest,
            _ => match irq_context {
                0 => top,
                // Soft interrupts run in threads on PREEMPT_RT, hard ones need not.
                1 => Wait::Config.number(top > Wait::max(false)),
                _ => Wait::Spin.number(false),
            },
        }
    }

    /// The strictest wait type in force for the next lock: `check_wait_context()`'s inner type.
    #[inline]
    pub fn strictest(&self, top: u8) -> u8 {
        self.strictest_of(self.depth as usize, self.irq_context(), top)
    }

    /// `task_wait_context()`: what the context alone demands.
    pub fn wait_context(&self, top: u8) -> u8 {
        self.strictest_of(0, self.irq_context(), top)
    }

    /// Bit 0 in a soft, bit 1 in a hard interrupt.
    #[inline]
    pub fn irq_context(&self) -> u8 {
        (self.soft > 0) as u8 | ((self.hard > 0) as u8) << 1
    }

    /// Hard interrupts cannot come.
    #[inline]
    pub fn hard_off(&self) -> bool {
        self.irqs_off || self.hard > 0
    }

    /// An interrupt starts.
    pub fn enter(&mut self, hard: bool) {
        if let Some(slot) = self.interrupts.get_mut(self.nested as usize) {
            *slot = self.irqs_off;
        }
        self.nested = self.nested.saturating_add(1);
        self.count(hard, 1);
    }

    /// An interrupt ends: interrupts are what they were.
    pub fn leave(&mut self, hard: bool) {
        self.count(hard, -1);
        self.nested = self.nested.saturating_sub(1);
        if let Some(off) = self.interrupts.get(self.nested as usize) {
            self.irqs_off = *off;
        }
    }

    fn count(&mut self, hard: bool, by: i8) {
        let n = if hard { &mut self.hard } else { &mut self.soft };
        *n = n.saturating_add_signed(by);
    }

    /// Hard and soft interrupts that run.
    pub fn interrupts(&self) -> (u8, u8) {
        (self.hard, self.soft)
    }

    /// Enters a gfp scope, or puts it back to what it was.
    pub fn scope(&mut self, scope: Scope, on: bool) {
        let bit = 1 << scope as u8;
        self.scopes = self.scopes & !bit | if on { bit } else { 0 };
    }

    /// `current_gfp_context()` and `__need_reclaim()`: what reclaim for this mask may do, nothing when there is none.
    /// Direct reclaim and kswapd, `reclaiming`, have PF_MEMALLOC.
    #[inline]
    pub fn reclaim_mask(&self, gfp: Gfp, reclaiming: bool) -> Gfp {
        let memalloc = reclaiming || self.scopes & 1 << Scope::Memalloc as u8 != 0;
        if !gfp.intersects(Gfp::DIRECT_RECLAIM) || gfp.intersects(Gfp::NOLOCKDEP) || memalloc {
            return Gfp::NONE;
        }
        if self.scopes & 1 << Scope::Noio as u8 != 0 {
            gfp.without(Gfp::IO | Gfp::FS)
        } else if self.scopes & 1 << Scope::Nofs as u8 != 0 {
            gfp.without(Gfp::FS)
        } else {
            gfp
        }
    }
}

/// The stricter of two wait types, of which the second may be none.
#[inline]
pub(super) fn stricter(strictest: u8, of_lock: u8) -> u8 {
    if of_lock == 0 { strictest } else { strictest.min(of_lock) }
}
