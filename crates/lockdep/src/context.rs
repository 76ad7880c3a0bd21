// SPDX-License-Identifier: GPL-2.0-only
//! Contexts: what a task holds, and what it may do.
//!
//! The part of the kernel's `task_struct` that lockdep sees.

use super::class::{Class, Wait};
use super::matrix::Read;
use super::place::{Call, Place};
use percuss_kernel::Scope;
use percuss_kernel::gfp::Gfp;

/// Locks that a context can hold at once.
///
/// The kernel has room for 48 (MAX_LOCK_DEPTH); no program here holds half as many unless the tenant leaks them.
pub(super) const DEPTH: usize = 32;
/// Depth to which interrupts can nest. Deeper ones are counted, but leaving them does not restore the interrupt state;
/// a hard interrupt in a soft one in a task needs two.
const NESTING: usize = 8;

/// A lock that is held, or about to be: the kernel's `held_lock`.
///
/// It is copied whole, as checks need it while they change the engine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub class: Class,
    pub read: Read,
    pub trylock: bool,
    /// The locks below take part in dependencies too, since this lock has not passed all of theirs on: a trylock or a
    /// recursive reader.
    pub through: bool,
    /// Interrupts were off before it was taken, so `spin_unlock_irqrestore()` leaves them off.
    pub irqs_before: bool,
    /// Interrupt context: 0 for process context, bit 0 in a soft, bit 1 in a hard interrupt.
    pub irq_context: u8,
    /// The strictest wait type of the locks from here down to where the interrupt context began.
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

/// The state of a task, the balance worker or kswapd.
///
/// Arrays of fixed size instead of vectors: the engine is reset for each program, and allocates nothing then.
#[derive(Clone, Debug)]
pub(super) struct Context {
    held: [Held; DEPTH],
    depth: u8,
    /// Set of the classes held; it answers "is one of this class held" without a search, as most acquisitions ask.
    pub holds: u64,
    pub irqs_off: bool,
    pub preempt: u32,
    hard: u8,
    soft: u8,
    // Bit `n` is set in the scope of number `n`.
    scopes: u8,
    /// Value of `irqs_off` before each interrupt that runs.
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

    /// Clears the context in constant time: entries beyond the counters are never read.
    pub fn clear(&mut self) {
        self.depth = 0;
        self.holds = 0;
        self.irqs_off = false;
        self.preempt = 0;
        (self.hard, self.soft) = (0, 0);
        self.scopes = 0;
        self.nested = 0;
    }

    #[inline]
    pub fn held(&self) -> &[Held] {
        // The depth never exceeds DEPTH; the modulus proves it to the compiler, which then drops the bounds check.
        &self.held[..self.depth as usize % (DEPTH + 1)]
    }

    /// Adds a lock on top; false when there is no room, in which case the lock is not followed.
    #[inline]
    pub fn push(&mut self, lock: Held) -> bool {
        let Some(slot) = self.held.get_mut(self.depth as usize) else { return false };
        *slot = lock;
        self.depth += 1;
        self.holds |= lock.class.bit();
        true
    }

    /// Removes the topmost lock of a class; None if none is held.
    ///
    /// `wait` and `top` serve to compute the wait types of the locks above it anew.
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
    /// Removes a lock that others lie on, as when a program unlocks in another order than it locked.
    ///
    /// The locks above move down, and their wait types no longer include its own. The kernel acquires them anew for
    /// that (`reacquire_held_locks()`).
    fn release_below(&mut self, class: Class, wait: impl Fn(Class) -> u8, top: u8) -> Option<Held> {
        // Of several of one class the last taken is released, as the kernel searches from the top too.
        let at = self.held().iter().rposition(|h| h.class == class)?;
        let gone = self.held[at];
        let left = self.depth as usize - 1;
        self.held.copy_within(at + 1..left + 1, at);
        self.depth -= 1;
        // Another lock of the same class may still be held, so the set is built anew.
        self.holds = 0;
        for i in 0..left {
            let class = self.held[i].class;
            self.holds |= class.bit();
            self.held[i].strictest = stricter(self.strictest_of(i, self.held[i].irq_context, top), wait(class));
        }
        Some(gone)
    }

    /// The strictest wait type in force at position `at`, from the locks below it or from the interrupt context.
    ///
    /// `top` is the number of `LD_WAIT_MAX`, which differs with CONFIG_PROVE_RAW_LOCK_NESTING.
    fn strictest_of(&self, at: usize, irq_context: u8, top: u8) -> u8 {
        match at.checked_sub(1).map(|below| &self.held[below]) {
            // Locks of the interrupted context do not restrict the interrupt, which has a limit of its own.
            Some(below) if below.irq_context == irq_context => below.strictest,
            _ => match irq_context {
                0 => top,
                // Soft interrupts run in threads on PREEMPT_RT and may take a `spinlock_t`; hard ones take raw locks
                // only.
                1 => Wait::Config.number(top > Wait::max(false)),
                _ => Wait::Spin.number(false),
            },
        }
    }

    /// The strictest wait type in force for the next lock: the inner type of `check_wait_context()`.
    #[inline]
    pub fn strictest(&self, top: u8) -> u8 {
        self.strictest_of(self.depth as usize, self.irq_context(), top)
    }

    pub fn wait_context(&self, top: u8) -> u8 {
        self.strictest_of(0, self.irq_context(), top)
    }

    #[inline]
    pub fn irq_context(&self) -> u8 {
        (self.soft > 0) as u8 | ((self.hard > 0) as u8) << 1
    }

    #[inline]
    pub fn hard_off(&self) -> bool {
        self.irqs_off || self.hard > 0
    }

    /// Starts an interrupt on top of whatever runs in this context.
    ///
    /// The interrupt state is saved for [`Context::leave`], since a handler may turn interrupts on and off.
    pub fn enter(&mut self, hard: bool) {
        if let Some(slot) = self.interrupts.get_mut(self.nested as usize) {
            *slot = self.irqs_off;
        }
        self.nested = self.nested.saturating_add(1);
        self.count(hard, 1);
    }

    /// Ends an interrupt. Interrupts are on or off again as they were when it started.
    pub fn leave(&mut self, hard: bool) {
        self.count(hard, -1);
        self.nested = self.nested.saturating_sub(1);
        if let Some(off) = self.interrupts.get(self.nested as usize) {
            self.irqs_off = *off;
        }
    }

    fn count(&mut self, hard: bool, by: i8) {
        let n = if hard { &mut self.hard } else { &mut self.soft };
        // A program may leave an interrupt that it never entered; that is for other oracles to report.
        *n = n.saturating_add_signed(by);
    }

    pub fn interrupts(&self) -> (u8, u8) {
        (self.hard, self.soft)
    }

    /// Enters or leaves a gfp scope (`memalloc_nofs_save()` and its like); `on` is the old state when one is left.
    pub fn scope(&mut self, scope: Scope, on: bool) {
        let bit = 1 << scope as u8;
        self.scopes = self.scopes & !bit | if on { bit } else { 0 };
    }

    /// The mask with which reclaim for an allocation would run, empty if there is none: `current_gfp_context()` and
    /// `__need_reclaim()`.
    ///
    /// `reclaiming` is set in direct reclaim and kswapd, which have PF_MEMALLOC and never reclaim again.
    #[inline]
    pub fn reclaim_mask(&self, gfp: Gfp, reclaiming: bool) -> Gfp {
        let memalloc = reclaiming || self.scopes & 1 << Scope::Memalloc as u8 != 0;
        if !gfp.intersects(Gfp::DIRECT_RECLAIM) || gfp.intersects(Gfp::NOLOCKDEP) || memalloc {
            return Gfp::NONE;
        }
        // A noio scope includes nofs, so it is asked first.
        if self.scopes & 1 << Scope::Noio as u8 != 0 {
            gfp.without(Gfp::IO | Gfp::FS)
        } else if self.scopes & 1 << Scope::Nofs as u8 != 0 {
            gfp.without(Gfp::FS)
        } else {
            gfp
        }
    }
}

/// The stricter of two wait types, which is the smaller number; 0 for a lock means that its class has none.
#[inline]
pub(super) fn stricter(strictest: u8, of_lock: u8) -> u8 {
    if of_lock == 0 { strictest } else { strictest.min(of_lock) }
}
