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

/// Ops of shrinkers and handlers, which run inside other ops, are numbered behind those of all tasks, the drain apart.
pub fn op_is_nested(op: u32) -> bool {
    (limits::TASKS..limits::TASKS + limits::SHRINKERS + limits::HANDLERS).contains(&((op >> 24) as usize))
}
