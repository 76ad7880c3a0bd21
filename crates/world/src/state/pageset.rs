// SPDX-License-Identifier: GPL-2.0-only
//! A set of pages of vmalloc space.

use crate::arena::{PAGE, addresses};

/// A bitmap that is cleared in time proportional to the highest page in it. vmalloc space is handed out from the
/// bottom, so that is little of its 16 GiB.
#[derive(Debug)]
pub struct PageSet {
    words: Vec<u64>,
    /// Words from here on are 0.
    used: usize,
    count: u32,
}

impl PageSet {
    pub fn new() -> PageSet {
        let pages = (addresses::VMALLOC_END - addresses::VMALLOC) / PAGE;
        PageSet { words: vec![0; pages.div_ceil(64) as usize], used: 0, count: 0 }
    }

    /// Adds a page by its index; true when it was not in the set.
    #[inline]
    pub fn insert(&mut self, page: u32) -> bool {
        let at = (page / 64) as usize;
        let new = self.words[at] >> (page % 64) & 1 == 0;
        self.words[at] |= 1 << (page % 64);
        self.used = self.used.max(at + 1);
        self.count += new as u32;
        new
    }

    pub fn count(&self) -> u32 {
        self.count
    }

    pub fn clear(&mut self) {
        self.words[..self.used].fill(0);
        self.used = 0;
        self.count = 0;
    }
}
