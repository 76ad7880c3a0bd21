// SPDX-License-Identifier: GPL-2.0-only
//! A set of pages of vmalloc space.

use crate::arena::{PAGE, place};

/// A bitmap whose clearing costs what was used of it: addresses are handed out from the bottom.
#[derive(Debug)]
pub struct PageSet {
    words: Vec<u64>,
    /// Words that may be other than 0.
    used: usize,
    count: u32,
}

impl PageSet {
    pub fn new() -> PageSet {
        let pages = (place::VMALLOC_END - place::VMALLOC) / PAGE;
        PageSet { words: vec![0; pages.div_ceil(64) as usize], used: 0, count: 0 }
    }

    /// Adds a page, by index; true when it is new.
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
