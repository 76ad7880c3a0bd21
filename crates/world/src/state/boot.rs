// SPDX-License-Identifier: GPL-2.0-only
//! What a boot decides, and what a reset goes back to.

use super::locks::NamedLocks;
use super::run::Run;
use crate::arena::Arena;
use percuss_kernel::event::Event;
use percuss_kernel::{Addr, Geometry, Layout};

/// The machine as it was booted. Power-on assigns it as a whole, a program never changes it.
#[derive(Debug, Default)]
pub struct Boot {
    pub geometry: Geometry,
    /// Possible CPUs in ascending order.
    pub possible: Vec<u8>,
    /// The first chunk; empty until the boot has ended.
    pub layout: Layout,
    /// The boot has not ended: nothing is logged until then.
    pub booting: bool,
    /// The event of a boot that went well, with which every program's log begins.
    pub event: Option<Event>,
    pub work_pending: bool,
    /// Locks in allocated memory that the boot initialised.
    pub named: NamedLocks,
    /// Boot metadata as the boot left it: a tenant in C keeps state in it.
    pub metadata: Vec<Metadata>,
    /// The first red zone that the boot itself wrote, which follows the Boot event in every program's log.
    pub overrun: Option<Event>,
    /// Address and bytes of boot metadata with untouched red zones, to be looked at after each program.
    pub reddened: Vec<(Addr, u64)>,
}

impl Boot {
    /// A machine that starts to boot.
    pub fn of(geometry: &Geometry) -> Boot {
        let possible = geometry.possible().map(|cpu| cpu as u8).collect();
        Boot { geometry: *geometry, possible, booting: true, ..Boot::default() }
    }

    /// The state in which every program on this machine starts.
    pub fn first_run(&self) -> Run {
        Run { work_pending: self.work_pending, named: self.named, ..Run::default() }
    }
}

/// Content of a range of boot metadata. The maps of a chunk are nearly all zeroes, so it keeps the other pieces only.
#[derive(Debug)]
pub struct Metadata {
    addr: Addr,
    len: u64,
    /// Address and bytes of each piece that is not all zeroes.
    pieces: Vec<(Addr, Vec<u8>)>,
}

impl Metadata {
    const PIECE: usize = 256;

    pub fn save(arena: &Arena, addr: Addr, len: u64) -> Metadata {
        let pieces = arena.bytes(addr, len).chunks(Metadata::PIECE).zip((addr..).step_by(Metadata::PIECE));
        let set = pieces.filter(|(bytes, _)| bytes.iter().any(|b| *b != 0));
        Metadata { addr, len, pieces: set.map(|(bytes, at)| (at, bytes.to_vec())).collect() }
    }

    pub fn restore(&self, arena: &Arena) {
        arena.fill(self.addr, self.len, 0);
        self.pieces.iter().for_each(|(at, bytes)| arena.write(*at, bytes));
    }
}
