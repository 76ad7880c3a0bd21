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
    /// The running context.
    pub current: usize,
    /// Number of the op that each context runs.
    pub ops: [u32; CONTEXTS],
    /// The work item is queued.
    pub work_pending: bool,
    /// The worker is in the middle of the work item.
    pub working: bool,
    /// The context that holds each lock of the allocator.
    pub owner: [Option<u8>; LOCKS],
    pub named: NamedLocks,
    pub ext: ExtLocks,
    /// The lock of the allocator that each context waits for.
    pub waits: [Option<Lock>; CONTEXTS],
    /// The external lock that each context waits for.
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
    /// Why the program ended early.
    pub stopped: Option<Stop>,
}
