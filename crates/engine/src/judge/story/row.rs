// SPDX-License-Identifier: GPL-2.0-only
//! A row of the story, as plain data: the report lays it out, and JSON has it as it is.

use serde::{Deserialize, Serialize};

use crate::judge::audit::Failure;

/// Where an area is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// `first`, `reserved`, or the number of a chunk made later, from 2 on in order of creation.
    pub chunk: String,
    /// Address of the chunk, as findings print it.
    pub base: u64,
    /// Bytes from there.
    pub offset: i32,
    /// The size as the allocator rounded it; None for a freed pointer that was never allocated.
    pub bytes: Option<u32>,
}

/// A chunk that was made. Findings print the address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Its name, as in [`Place`].
    pub chunk: String,
    pub base: u64,
}

/// An op, or what runs without one: the work item, kswapd, the drain. What the allocator did in it is counted here, and
/// only here: what a shrinker or a handler did on top of it has a row of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// `a3` for the third op of task a; `shrinker0.1` and `handler0.1` for the first op of the first of each; `worker`,
    /// `kswapd` or `drain`.
    pub label: String,
    /// The number of the op in events; None for the work item and kswapd.
    pub op: Option<u32>,
    /// Rows that this one runs inside of.
    pub depth: usize,
    /// The op in canonical text; empty for rows that are no op.
    pub text: String,
    /// False when the program ended in it.
    pub ended: bool,
    /// What was allocated or freed; of the drain nothing, which frees many.
    pub area: Option<Place>,
    /// Why an allocation returned NULL.
    pub failed: Option<Failure>,
    /// What an op that asks returned.
    pub answer: Option<u64>,
    /// What the tree printed, one message each, the level apart.
    pub messages: Vec<String>,
    /// Warnings and worse among them: WARN, BUG and panic.
    pub warned: bool,
    pub made: Vec<Chunk>,
    pub destroyed: Vec<String>,
    /// Pages mapped to units, and pages unmapped from them, over all CPUs.
    pub populated: u64,
    pub depopulated: u64,
    /// Areas freed, for the drain.
    pub freed: u64,
    /// Work was queued that was not pending before.
    pub queued: bool,
    /// What was asked for and not granted: `page`, `vm areas` and so on, each once.
    pub refused: Vec<String>,
    /// Locks that it found taken, each time that it waited.
    pub waits: Vec<String>,
    /// The lock that a fatal signal made it give up.
    pub killed: Option<String>,
    /// Times that it reclaimed memory, and times that it tried again after it.
    pub reclaims: u32,
    pub retries: u32,
    /// The OOM killer was called.
    pub oom_kills: u32,
    /// Why the program ended here.
    pub ends: Option<String>,
}

impl Row {
    /// The row without what is different in every op: equal shapes are ops alike, which can be counted instead of
    /// shown.
    pub fn shape(&self) -> Row {
        let area = self.area.as_ref().map(|a| Place { chunk: a.chunk.clone(), base: 0, offset: 0, bytes: None });
        // Of the op's number the list is kept, so that ops of two tasks are never alike.
        let op = self.op.map(|op| op >> 24);
        Row { label: String::new(), op, text: String::new(), area, ..self.clone() }
    }
}
