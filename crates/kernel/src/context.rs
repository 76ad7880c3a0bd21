// SPDX-License-Identifier: GPL-2.0-only
//! Contexts, which are what can run, and the numbers of ops in events.

use crate::limits;

// Tasks are contexts by their index; the two kernel threads come after as many tasks as a program can have, so that
// their numbers do not depend on the program.

pub const WORKER: usize = limits::TASKS;

pub const KSWAPD: usize = limits::TASKS + 1;

pub const CONTEXTS: usize = limits::TASKS + 2;

/// The number that stands for the drain: the frees and the work that the run adds after the last op, so that every
/// program ends with nothing allocated. No op has this number, since its upper byte is no owner's.
pub const DRAIN: u32 = u32::MAX;

/// The number of an op in events. The upper byte is its [owner](OpOwner), the rest its place among the owner's ops.
pub fn op_number(task: usize, index: usize) -> u32 {
    (task as u32) << 24 | index as u32
}

/// The context in words, as reports name it: `task a`, `the worker`, `kswapd`.
///
/// Letters are those by which text programs name their tasks.
pub fn context_name(context: usize) -> String {
    match context {
        WORKER => "the worker".to_owned(),
        KSWAPD => "kswapd".to_owned(),
        task => format!("task {}", char::from(b'a' + task as u8)),
    }
}

/// Whose op it is. The upper byte of an op's number says: those of all tasks come first, then those of shrinkers, then
/// those of interrupt handlers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpOwner {
    Task(usize),
    /// A shrinker, by index: the op runs inside the reclaim of whichever context reclaims.
    Shrinker(usize),
    /// An interrupt handler, by index: the op runs on top of the context that it interrupts.
    Handler(usize),
    /// No part of the program: the drain at its end.
    Drain,
}

/// The owner of the op with this number.
///
/// A number that belongs to no op counts as one of a task that no program has, so that a reader need not handle it.
pub fn op_owner(op: u32) -> OpOwner {
    // The ranges follow each other in the order in which [`OpOwner`] lists them.
    const HANDLERS: usize = limits::TASKS + limits::SHRINKERS;
    const END: usize = HANDLERS + limits::HANDLERS;
    match (op >> 24) as usize {
        _ if op == DRAIN => OpOwner::Drain,
        at @ limits::TASKS..HANDLERS => OpOwner::Shrinker(at - limits::TASKS),
        at @ HANDLERS..END => OpOwner::Handler(at - HANDLERS),
        task => OpOwner::Task(task),
    }
}

/// The op is one of a shrinker or a handler: it runs inside another op, or between two.
///
/// Such an op does not end the op of the task that it runs on top of.
#[inline]
pub fn op_is_nested(op: u32) -> bool {
    matches!(op_owner(op), OpOwner::Shrinker(_) | OpOwner::Handler(_))
}
