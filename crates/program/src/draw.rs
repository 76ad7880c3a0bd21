// SPDX-License-Identifier: GPL-2.0-only
//! Operands for generated programs: realistic values that depend on what the program did so far.
//!
//! Uniformly random operands mostly fail in the first checks of `pcpu_alloc()`. Values weighted as kernel callers use
//! them fill chunks and reach the paths where bugs are; illegal values stay, but rare.

use super::codes::{COMMON_SIZES, EDGE_SIZES};
use super::lock::{HeldLock, LOCKS};
use super::rng::Rng;
use percuss_kernel::geometry::{Geometry, PAGE};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Scope, VARS, Var};

/// The distribution of sizes in one phase of a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sizes {
    /// Mostly up to 256 bytes, as a running kernel asks for.
    Mixed,
    /// Many of one size in bytes, as one cache or subsystem asks for.
    One(u32),
    /// Within a few bytes of pages, blocks and units, where rounding errors show.
    Boundary,
    /// Half a page to four pages, so that few areas fill a chunk.
    Large,
}

/// What the contract allows of a mask at one point of a task.
///
/// The state of the contract itself knows the ops, and ops are drawn from here, so only its two answers come in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    /// False in atomic context, where a mask with direct reclaim breaks rules 1 and 2.
    pub may_sleep: bool,
    /// Flags that an allocation with direct reclaim must not have here.
    pub forbidden: Gfp,
}

/// The state that operands are drawn from.
///
/// A variable counts as live once an `alloc` to it was written: whether the allocation succeeds is known only in the
/// run.
pub(super) struct Draw<'r> {
    pub rng: &'r mut Rng,
    pub boot: Geometry,
    pub sizes: Sizes,
    /// Live variables of all tasks, oldest first.
    pub live: Vec<Var>,
    is_live: [bool; VARS],
    /// Number of variables in use, from `v0` on.
    ///
    /// A small set is reused often, as a slot table would be.
    pub slots: usize,
    /// Number of tasks.
    pub tasks: usize,
    /// Context of the task that is being written, for masks that fit it.
    pub context: Context,
    last_size: u32,
}

impl<'r> Draw<'r> {
    pub fn new(rng: &'r mut Rng, boot: Geometry, slots: usize, tasks: usize) -> Draw<'r> {
        Draw {
            rng,
            boot,
            sizes: Sizes::Mixed,
            live: Vec::new(),
            is_live: [false; VARS],
            slots,
            tasks,
            context: Context { may_sleep: true, forbidden: Gfp::NONE },
            last_size: 0,
        }
    }

    /// Takes note of an op that gave a variable an area, or took it away.
    ///
    /// Called by [`Op::note`](super::op::Op::note).
    pub fn noted(&mut self, var: Var, live: bool) {
        // An area that is allocated over is lost: its variable moves to the end as the youngest.
        if std::mem::replace(&mut self.is_live[usize::from(var.0)], live) {
            self.live.retain(|&v| v != var);
        }
        if live {
            self.live.push(var);
        }
    }

    /// A variable to assign: one that is NULL.
    ///
    /// If all are live, and once in 200 draws, any variable, so that some areas are lost and stay allocated to the end.
    pub fn fresh_var(&mut self) -> Var {
        let random = Var(self.rng.below(self.slots as u32) as u8);
        if self.live.len() == self.slots || self.rng.chance(1, 200) {
            return random;
        }
        // From a random slot on, so that variables are not used from `v0` on only.
        let free = (0..self.slots).map(|i| (usize::from(random.0) + i) % self.slots).find(|&i| !self.is_live[i]);
        free.map_or(random, |i| Var(i as u8))
    }

    /// A variable to use: nearly always a live one, young ones more often.
    ///
    /// Once in 50 draws any, so that freeing NULL is tested too.
    pub fn used_var(&mut self) -> Var {
        let n = self.live.len() as u32;
        if n == 0 || self.rng.chance(1, 50) {
            return Var(self.rng.below(self.slots as u32) as u8);
        }
        // One third of the draws are among the four youngest.
        let at = if self.rng.chance(1, 3) { n - 1 - self.rng.below(n.min(4)) } else { self.rng.below(n) };
        self.live[at as usize]
    }

    /// The number of a possible CPU.
    pub fn cpu(&mut self) -> u32 {
        let nth = self.rng.below(self.boot.nr_cpus()) as usize;
        self.boot.possible().nth(nth).unwrap_or(0)
    }

    /// An offset in bytes within most areas: the start, odd addresses, and the next words.
    pub fn delta(&mut self) -> u32 {
        self.rng.pick(&[0, 0, 0, 1, 3, 4, 8])
    }

    /// A size in bytes by the distribution of the phase.
    ///
    /// One in 250 is 0 or too large, for which `pcpu_alloc()` returns NULL.
    pub fn size(&mut self) -> u32 {
        let rng = &mut *self.rng;
        self.last_size = match self.sizes {
            _ if rng.chance(1, 250) => rng.pick(&[0, 32769, 65536, u32::MAX]), // documented to return NULL
            Sizes::One(size) => size,
            Sizes::Boundary => {
                let edge = match rng.below(8) {
                    0 => self.boot.least_unit().min(32 << 10),
                    1 => PAGE / 2,
                    _ => rng.pick(&EDGE_SIZES),
                };
                // Above and below the limit by up to a bitmap word; clamped to what the allocator accepts.
                (edge + rng.pick(&[0, 0, 0, 4, 8])).saturating_sub(rng.pick(&[0, 0, 4, 8, 256])).clamp(1, 32 << 10)
            }
            Sizes::Large => rng.range(PAGE / 2, 4 * PAGE) & !7,
            Sizes::Mixed => match rng.below(100) {
                // COMMON_SIZES ascends: the first 17 go up to 256 bytes, the first 22 to a page.
                0..70 => rng.pick(&COMMON_SIZES[..17]),
                70..82 => rng.log_range(4, 256),
                82..92 => rng.pick(&COMMON_SIZES[17..22]),
                92..97 => rng.log_range(256, 4096),
                97..99 => rng.log_range(4096, 16384),
                _ => rng.pick(&EDGE_SIZES),
            },
        };
        self.last_size
    }

    /// An alignment: mostly what C gives an object of the size drawn last, sometimes cache lines or more.
    pub fn align(&mut self) -> u32 {
        let rng = &mut *self.rng;
        match rng.below(1000) {
            0..3 => rng.pick(&[0, 3, 8192, 48]), // documented to return NULL
            3..550 => 8,
            550..700 => 4,
            700..780 => 16,
            780..900 => 64,
            // As for a cache-aligned structure: its size rounded up to a power of two.
            900..960 => self.last_size.clamp(4, PAGE).next_power_of_two().min(PAGE),
            _ => 4 << rng.below(11),
        }
    }

    /// Whether the allocation is of a module.
    ///
    /// Those are few, and nearly all of them where the geometry has a reserved chunk.
    pub fn reserved(&mut self) -> bool {
        if self.boot.reserved > 0 { self.rng.chance(1, 12) } else { self.rng.chance(1, 200) }
    }

    /// A mask that fits the context of the task: one that cannot sleep in atomic context, and mostly one without the
    /// flags that the held locks forbid.
    pub fn gfp(&mut self) -> Gfp {
        let rng = &mut *self.rng;
        let base = match rng.below(100) {
            // Masks without direct reclaim, as rules 1 and 2 ask for here.
            _ if !self.context.may_sleep => {
                rng.pick(&[Gfp::NOWAIT, Gfp::NOWAIT, Gfp::ATOMIC, Gfp::KSWAPD_RECLAIM, Gfp::NONE])
            }
            0..45 => Gfp::KERNEL,
            45..65 => Gfp::KERNEL_ACCOUNT,
            65..75 => Gfp::NOWAIT,
            75..82 => Gfp::ATOMIC,
            82..90 => Gfp::NOFS,
            90..98 => Gfp::NOIO,
            _ => Gfp::NONE,
        };
        // In a third of the draws forbidden flags stay, for a scope may take them away. Repair removes them if none
        // does.
        let strict = base.allows_blocking() && rng.chance(2, 3);
        let base = base.without(if strict { self.context.forbidden } else { Gfp::NONE });
        let modifiers =
            [Gfp::NOWARN, Gfp::NOWARN, Gfp::ACCOUNT, Gfp::NORETRY, Gfp::RETRY_MAYFAIL, Gfp::ZERO, Gfp::HIGH];
        match rng.below(20) {
            0..3 => base | rng.pick(&modifiers),
            // `__GFP_NOFAIL` without reclaim would break rule 4.
            3 if base.allows_blocking() => base | Gfp::NOFAIL,
            _ => base,
        }
    }

    /// A lock to take: file system and IO locks most often, since allocations under them may still reclaim in part.
    pub fn lock(&mut self) -> HeldLock {
        LOCKS[self.rng.weighted([2, 2, 2, 1, 5, 4, 2, 3].into_iter())].0
    }

    /// A task to kill.
    ///
    /// None is the task itself, always so in programs with one task.
    pub fn target(&mut self) -> Option<u8> {
        (self.tasks > 1 && self.rng.chance(2, 3)).then(|| self.rng.below(self.tasks as u32) as u8)
    }

    /// A scope.
    ///
    /// `memalloc` is drawn half as often as the others: it takes reclaim away altogether.
    pub fn scope(&mut self) -> Scope {
        self.rng.pick(&[Scope::Noio, Scope::Nofs, Scope::Noio, Scope::Nofs, Scope::Memalloc])
    }
}
