// SPDX-License-Identifier: GPL-2.0-only
//! The state of one program.

use super::locks::{ExtLocks, LOCKS, NamedLocks};
use super::memcg::Memcg;
use super::pool::Pool;
use super::pressure::Pressure;
use super::task::Task;
use super::zeroing::Zeroing;
use percuss_kernel::event::{Ext, Stop};
use percuss_kernel::{CONTEXTS, Lock, limits};

/// Everything that begins anew with each program. A reset assigns it as a whole, so no field can keep something of the
/// program before. It is `Copy`: what needs memory of its own belongs into [`Buffers`](super::buffers::Buffers), which
/// a reset clears without an allocation.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Run {
    pub tasks: [Task; CONTEXTS],
    pub current: usize,
    pub ops: [u32; CONTEXTS],
    pub work_pending: bool,
    pub working: bool,
    pub owner: [Option<u8>; LOCKS],
    pub named: NamedLocks,
    pub ext: ExtLocks,
    pub waits: [Option<Lock>; CONTEXTS],
    pub waits_ext: [Option<Ext>; CONTEXTS],
    /// A lock was released or a task killed since the scheduler asked last, so waiting tasks try again.
    pub released: bool,
    /// No other task could run: as the turn began, and should a lock have been released since.
    pub alone: [bool; 2],
    /// Contexts that retry for memory, as a mask.
    pub looking: u32,
    /// Memory under pressure; None while memory is plenty.
    pub pool: Option<Pool>,
    pub pressure: Pressure,
    /// Shrinkers that only run with `__GFP_FS`.
    pub gated: [bool; limits::SHRINKERS],
    pub memcg: Memcg,
    /// The zeroing whose event is not logged yet.
    pub zeroing: Option<Zeroing>,
    /// Zeroings so far, each of the same range on a set of CPUs.
    pub clearings: u32,
    pub stopped: Option<Stop>,
}
