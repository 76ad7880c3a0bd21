// SPDX-License-Identifier: GPL-2.0-only
//! Oracles: the rules that a run may break, and what breaks them.

mod arguments;
mod ask;
mod bench;
pub mod bits;
pub mod content;
mod context;
pub mod crash;
mod finding;
pub mod hints;
pub mod invariants;
mod ledger;
mod liveness;
mod lockorder;
mod lockreport;
pub mod lockstep;
mod mapping;
mod masks;
pub mod room;
#[cfg(test)]
mod sample;
mod stall;
pub mod table;
mod traces;
mod wrong;

pub use ask::{Moment, Oracle, Scene, function};
pub use bench::Bench;
pub use finding::{Detail, Finding};
pub use table::{Needs, OracleInfo, Oracles, StateOf};
pub use wrong::ContentError;

use percuss_kernel::event::Event;
use percuss_kernel::{ChunkView, Globals, UnlockedChange};
use percuss_lockdep::Report;
use percuss_program::Program;
use percuss_world::Host;

table::oracles! {
    Ledger in ledger = "ledger", off with [], needs End, state of Both:
        "after everything is freed and the worker is idle, pages, metadata, vm areas, charges or references are not those \
         of the chunks that are left, or a chunk is not whole; something that is not allocated is freed; memory for \
         metadata is written beyond the bytes that were asked for";
    Invariants in invariants = "invariants", off with [Invariants], needs State, state of Image:
        "counts differ from what maps and lists say (free bytes, populated and empty pages, areas); a hint is above the \
         truth or names a region in use; a chunk is in the wrong list; the worker sidelines a chunk and leaves empty pages \
         in it; lists, counts or maps change while pcpu_lock is free";
    Content in content = "content", off with [Content], needs Contents, state of Image:
        "granted memory is not zeroed, not mapped, not aligned, or granted twice; it changes under its owner; a static \
         area changes; an illegal request is granted; an address query gets a wrong answer";
    Context in context = "context", off with [], needs Locks, state of Neither:
        "something sleeps where nothing may; a call returns with other locks, scopes or interrupt state than it came with; \
         depopulating allocates memory";
    Mapping in mapping = "mapping", off with [], needs Events, state of Neither:
        "a page is freed while mapped; an address is mapped, or used, while an old translation may be cached; a present \
         entry is mapped over; memory that is not mapped is accessed";
    Hints in hints = "hints", off with [Lockstep], needs Model, state of Model:
        "a hint of a block, or of a chunk about one block, is below the longest free run there is";
    Room in room = "room", off with [Lockstep], needs Model, state of Model:
        "a request fails, or makes a chunk, although there is a free and populated area for it";
    Crash in crash = "crash", off with [], needs Events, state of Neither:
        "BUG, WARN, panic, a signal, an endless loop or recursion, a kernel service that is not modelled";
    LockOrder in lockorder = "lockorder", off with [LockOrder], needs Locks, state of Neither:
        "the rules of the kernel's lockdep are broken, with reclaim that may wait for devices as a lock of its own; tasks \
         that wait for each other";
    Stall in stall = "stall", off with [], needs Events, state of Neither:
        "a task retries an allocation for ever while what could free memory waits for it";
    Liveness in liveness = "liveness", off with [], needs Events, state of Neither:
        "a request that may wait fails although nothing was refused to it; one that cannot wait fails and leaves no \
         balance work queued";
    Masks in masks = "masks", off with [], needs Events, state of Neither:
        "backing memory is taken from the reserves for a caller whose mask has no claim to them, or for the worker";
    Traces in traces = "traces", off with [], needs Events, state of Neither:
        "a trace event does not say what happened: another area, or another request";
    Lockstep in lockstep = "lockstep", off with [Lockstep], needs Model, state of Neither:
        "the event streams of the image and of the Model differ; the first difference is reported. Each release of \
         pcpu_lock carries a digest of the state changed since the last";
    #[cfg(test)]
    Sample in sample = "sample", off with [], needs Events, state of Neither:
        "an op queues work in vain three times";
}
