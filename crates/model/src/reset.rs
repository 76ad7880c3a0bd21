// SPDX-License-Identifier: GPL-2.0-only
//! Saving the state after boot and going back to it, at a cost that follows what changed.

use super::bitmap;
use super::block::BLOCK_WORDS;
use super::chunk::{Chunk, ChunkId, Mark};
use super::core::{Core, Saved};

impl Core {
    /// Remembers the state, with whole copies of the live chunks. It is called after boot, when there are few; the
    /// marks are cleared for [`Core::restore`].
    pub fn save(&mut self) {
        let mut saved = Vec::new();
        for (id, chunk) in self.chunks.iter_mut().enumerate().filter(|(_, chunk)| chunk.head.live) {
            chunk.head.save = Mark::CLEAN;
            saved.push((id as ChunkId, chunk.clone()));
        }
        let has_pages = self.count.pages_array != 0;
        self.saved = Saved { count: self.count, slots: self.slots.clone(), chunks: saved, has_pages };
    }

    /// Goes back to the remembered state, which stays remembered. Chunks made since then give their memory to later
    /// ones; of the old chunks only the blocks that changed are copied.
    pub fn restore(&mut self) {
        // Taken out for the time, as the chunks are borrowed mutably; it goes back at the end.
        let saved = std::mem::take(&mut self.saved);
        self.count = saved.count;
        self.slots.copy_from(&saved.slots);
        self.released.clear();
        self.copied.clear();
        self.spare.clear();
        for (id, chunk) in self.chunks.iter_mut().enumerate() {
            let id = id as ChunkId;
            match saved.chunks.iter().find(|(other, _)| *other == id) {
                Some((_, old)) => chunk.go_back(old),
                None => {
                    chunk.head.live = false;
                    self.spare.push(id);
                }
            }
        }
        // The lists of changed chunks are made from the restored marks, so that both agree.
        for (id, chunk) in saved.chunks.iter().map(|(id, chunk)| (*id, &chunk.head)) {
            if chunk.release.touched {
                self.released.push(id);
            }
            if chunk.copy.touched {
                self.copied.push(id);
            }
        }
        // Without an array of pages nothing had been populated, so no frame backed a chunk.
        if !saved.has_pages {
            self.frames.clear();
        }
        self.charged.clear();
        self.saved = saved;
    }
}

impl Chunk {
    /// Copies what may differ from `old`, which this chunk was when it was saved. It may have been another in between, but
    /// of as many pages: those of the first chunk stay, and all others have a unit's.
    fn go_back(&mut self, old: &Chunk) {
        let mark = self.head.save;
        // The header is copied whole: it is small, and list links change without a mark.
        self.head = old.head;
        if !mark.touched {
            return;
        }
        let blocks = mark.span.range(old.blocks.len());
        let words = blocks.start * BLOCK_WORDS..blocks.end * BLOCK_WORDS;
        // An area's end is marked one bit behind it.
        let bounds = words.start..bitmap::words(words.end * 64 + 1).min(old.bound_map.len());
        self.blocks[blocks.clone()].copy_from_slice(&old.blocks[blocks]);
        self.alloc_map[words.clone()].copy_from_slice(&old.alloc_map[words]);
        self.bound_map[bounds.clone()].copy_from_slice(&old.bound_map[bounds]);
        self.populated.copy_from_slice(&old.populated);
    }
}
