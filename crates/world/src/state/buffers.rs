// SPDX-License-Identifier: GPL-2.0-only
//! Lists and tables that keep their memory from program to program.

use super::areas::Areas;
use super::faults::Faults;
use super::heap::Heap;
use super::log::Log;
use super::memblock::Memblock;
use super::pages::Pages;
use super::sites::Sites;
use super::vm::Vm;

/// State that owns memory. A reset clears these instead of making new ones, so it allocates nothing.
#[derive(Debug, PartialEq)]
pub struct Buffers {
    pub log: Log,
    pub heap: Heap,
    pub pages: Pages,
    pub faults: Faults,
    /// What the program holds: here, so that a borrow of the World reaches both.
    pub areas: Areas,
    pub sites: Sites,
    pub memblock: Memblock,
    pub vm: Vm,
}

impl Buffers {
    pub fn new() -> Buffers {
        Buffers {
            log: Log::new(),
            heap: Heap::new(),
            pages: Pages::new(),
            faults: Faults::default(),
            areas: Areas::new(),
            sites: Sites::default(),
            memblock: Memblock::default(),
            vm: Vm::new(),
        }
    }

    pub fn power_on(&mut self) {
        self.memblock.clear();
        self.vm.clear();
        self.clear();
    }

    /// Goes back to the end of the last boot. The pattern names every field, so that a new one does not compile until
    /// it says here what becomes of it.
    pub fn clear(&mut self) {
        // A program frees no boot memory: memblock is as boot left it.
        let Buffers { log, heap, pages, faults, areas, sites, memblock: _, vm } = self;
        log.clear();
        heap.clear();
        pages.clear();
        faults.clear();
        areas.clear();
        sites.clear();
        vm.restore();
    }
}
