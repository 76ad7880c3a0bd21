// SPDX-License-Identifier: GPL-2.0-only
//! Chunk lists: links are in the chunks, so moving one is O(1) and allocates nothing.

use super::chunk::{Chunk, ChunkId, NONE};

/// The heads and tails of all lists, and a mask of those that have chunks. A search goes from one occupied list to the
/// next without a look at the empty ones between.
#[derive(Clone, Default, Debug)]
pub(super) struct Slots {
    ends: Vec<(ChunkId, ChunkId)>,
    occupied: u64,
}

impl Slots {
    pub fn init(&mut self, nr: usize) {
        self.ends.clear();
        self.ends.resize(nr, (NONE, NONE));
        self.occupied = 0;
    }

    pub fn copy_from(&mut self, other: &Slots) {
        self.ends.clone_from(&other.ends);
        self.occupied = other.occupied;
    }

    #[inline]
    pub fn first(&self, list: u32) -> Option<ChunkId> {
        let id = self.ends[list as usize].0;
        (id != NONE).then_some(id)
    }

    #[inline]
    pub fn next_occupied(&self, from: u32) -> Option<u32> {
        let rest = self.occupied.checked_shr(from)?;
        (rest != 0).then(|| from + rest.trailing_zeros())
    }

    pub fn unlink(&mut self, chunks: &mut [Chunk], id: ChunkId) {
        let (prev, next, list) = {
            let head = &mut chunks[id as usize].head;
            (head.prev, head.next, std::mem::replace(&mut head.list, NONE))
        };
        if list == NONE {
            return;
        }
        let ends = &mut self.ends[list as usize];
        match prev {
            NONE => ends.0 = next,
            prev => chunks[prev as usize].head.next = next,
        }
        match next {
            NONE => ends.1 = prev,
            next => chunks[next as usize].head.prev = prev,
        }
        // A list that is empty now must not stop a search.
        if ends.0 == NONE {
            self.occupied &= !(1 << list);
        }
    }

    /// Moves a chunk to the front or the back of a list (`list_move`, `list_move_tail`). Which end it is decides which
    /// of equal chunks serves the next caller, so it must be the kernel's.
    pub fn move_to(&mut self, chunks: &mut [Chunk], id: ChunkId, list: u32, front: bool) {
        self.unlink(chunks, id);
        let ends = &mut self.ends[list as usize];
        let (prev, next) = if front { (NONE, ends.0) } else { (ends.1, NONE) };
        match prev {
            NONE => ends.0 = id,
            prev => chunks[prev as usize].head.next = id,
        }
        match next {
            NONE => ends.1 = id,
            next => chunks[next as usize].head.prev = id,
        }
        let head = &mut chunks[id as usize].head;
        (head.prev, head.next, head.list) = (prev, next, list);
        self.occupied |= 1 << list;
    }
}
