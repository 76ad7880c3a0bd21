// SPDX-License-Identifier: GPL-2.0-only
//! Where the generator gets operands: realistic values that depend on what the program did so far.

use super::codes::{COMMON_SIZES, EDGE_SIZES};
use super::contract::ContractState;
use super::op::{HeldLock, LOCKS, Op};
use super::rng::Rng;
use percuss_kernel::geometry::{Geometry, PAGE};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Scope, VARS, Var};

/// Which sizes a phase asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sizes {
    /// What a running kernel asks for.
    Mixed,
    /// Many of one size, as one cache or subsystem does.
    One(u32),
    /// At the limits of pages, blocks and units.
    Boundary,
    /// Half a page and more.
    Large,
}

/// The state operands are drawn from. Variables count as live once an `alloc` was written; whether it succeeds only
/// the run knows.
pub(super) struct Draw<'r> {
    pub rng: &'r mut Rng,
    pub boot: Geometry,
    pub sizes: Sizes,
    /// Live variables in order of allocation, of all tasks.
    pub live: Vec<Var>,
    is_live: [bool; VARS],
    /// Variables used from 0 on: a small set is recycled, as a slot table would be.
    pub slots: usize,
    /// Tasks of the program.
    pub tasks: usize,
    /// The context of the task being written, for masks that fit it.
    pub context: ContractState,
    last_size: u32,
}

impl<'r> Draw<'r> {
    pub fn new(rng: &'r mut Rng, boot: Geometry, slots: usize, tasks: usize) -> Draw<'r> {
        let context = ContractState::new(&boot);
        Draw {
            rng,
            boot,
            sizes: Sizes::Mixed,
            live: Vec::new(),
            is_live: [false; VARS],
            slots,
            tasks,
            context,
            last_size: 0,
        }
    }

    /// Takes note of an op that was written.
    pub fn wrote(&mut self, op: &Op) {
        let (var, live) = match *op {
            Op::Alloc { dst, .. } | Op::SchedProbe { dst, .. } => (dst, true),
            Op::Free { var } => (var, false),
            _ => return,
        };
        if std::mem::replace(&mut self.is_live[usize::from(var.0)], live) {
            self.live.retain(|&v| v != var);
        }
        if live {
            self.live.push(var);
        }
    }

    /// A variable to assign: one that is NULL, else (rarely otherwise, too) one whose area is then lost.
    pub fn fresh_var(&mut self) -> Var {
        let random = Var(self.rng.below(self.slots as u32) as u8);
        if self.live.len() == self.slots || self.rng.chance(1, 200) {
            return random;
        }
        let free = (0..self.slots).map(|i| (usize::from(random.0) + i) % self.slots).find(|&i| !self.is_live[i]);
        free.map_or(random, |i| Var(i as u8))
    }

    /// A variable to use: nearly always a live one, young ones more often.
    pub fn used_var(&mut self) -> Var {
        let n = self.live.len() as u32;
        if n == 0 || self.rng.chance(1, 50) {
            return Var(self.rng.below(self.slots as u32) as u8);
        }
        let at = if self.rng.chance(1, 3) { n - 1 - self.rng.below(n.min(4)) } else { self.rng.below(n) };
        self.live[at as usize]
    }

    /// A possible CPU.
    pub fn cpu(&mut self) -> u32 {
        let nth = self.rng.below(self.boot.nr_cpus()) as usize;
        self.boot.possible().nth(nth).unwrap_or(0)
    }

    /// An offset that most areas have.
    pub fn delta(&mut self) -> u32 {
        self.rng.pick(&[0, 0, 0, 1, 3, 4, 8])
    }

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

    /// Mostly what C gives an object of that size, sometimes cache lines or more.
    pub fn align(&mut self) -> u32 {
        let rng = &mut *self.rng;
        match rng.below(1000) {
            0..3 => rng.pick(&[0, 3, 8192, 48]), // documented to return NULL
            3..550 => 8,
            550..700 => 4,
            700..780 => 16,
            780..900 => 64,
            900..960 => self.last_size.clamp(4, PAGE).next_power_of_two().min(PAGE),
            _ => 4 << rng.below(11),
        }
    }

    /// Modules are few and only where the geometry has a reserved chunk, mostly.
    pub fn reserved(&mut self) -> bool {
        if self.boot.reserved > 0 { self.rng.chance(1, 12) } else { self.rng.chance(1, 200) }
    }

    pub fn gfp(&mut self) -> Gfp {
        let rng = &mut *self.rng;
        let base = match rng.below(100) {
            _ if !self.context.may_sleep() => {
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
        // Under locks that forbid it, masks without IO or FS mostly; in a scope that sees to it, any.
        let strict = base.allows_blocking() && rng.chance(2, 3);
        let base = base.without(if strict { self.context.forbidden() } else { Gfp::NONE });
        let modifiers =
            [Gfp::NOWARN, Gfp::NOWARN, Gfp::ACCOUNT, Gfp::NORETRY, Gfp::RETRY_MAYFAIL, Gfp::ZERO, Gfp::HIGH];
        match rng.below(20) {
            0..3 => base | rng.pick(&modifiers),
            3 if base.allows_blocking() => base | Gfp::NOFAIL,
            _ => base,
        }
    }

    /// A lock: to take, mostly one whose holder may still allocate with some reclaim.
    pub fn lock(&mut self) -> HeldLock {
        LOCKS[self.rng.weighted([2, 2, 2, 1, 5, 4, 2, 3].into_iter())].0
    }

    /// A task to kill: any, where there are several.
    pub fn target(&mut self) -> Option<u8> {
        (self.tasks > 1 && self.rng.chance(2, 3)).then(|| self.rng.below(self.tasks as u32) as u8)
    }

    pub fn scope(&mut self) -> Scope {
        self.rng.pick(&[Scope::Noio, Scope::Nofs, Scope::Noio, Scope::Nofs, Scope::Memalloc])
    }
}
