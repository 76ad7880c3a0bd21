// SPDX-License-Identifier: GPL-2.0-only
//! Contexts: who can run, and how ops are numbered.

use crate::limits;

/// Index of the worker's task context, behind those of the program.
pub const WORKER: usize = limits::TASKS;

/// Index of kswapd's context.
pub const KSWAPD: usize = limits::TASKS + 1;

/// Contexts there can be.
pub const CONTEXTS: usize = limits::TASKS + 2;

/// Number of the ops that drain a program at its end.
pub const DRAIN: u32 = u32::MAX;

/// Number of an op in events: task in the upper byte.
pub fn op_number(task: usize, index: usize) -> u32 {
    (task as u32) << 24 | index as u32
}

/// A context in words.
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
    /// A task, by index.
    Task(usize),
    /// A shrinker, by index: the op runs inside the reclaim of whichever context reclaims.
    Shrinker(usize),
    /// An interrupt handler, by index: the op runs on top of the context that it interrupts.
    Handler(usize),
    /// No part of the program: the drain at its end.
    Drain,
}

/// Whose op has this number. The number of no op counts as one of a task that no program has.
pub fn op_owner(op: u32) -> OpOwner {
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
#[inline]
pub fn op_is_nested(op: u32) -> bool {
    matches!(op_owner(op), OpOwner::Shrinker(_) | OpOwner::Handler(_))
}
