// SPDX-License-Identifier: GPL-2.0-only
//! vmalloc space: areas, page tables per 2 MiB, and translations that may still be cached.

use crate::arena::place::{VMALLOC, VMALLOC_END};
use crate::arena::{PAGE, PAGE_SHIFT};
use percuss_kernel::{Addr, Pfn};

/// Pages one page-table page covers.
const TABLE: usize = 512;
/// Bytes it covers.
pub const TABLE_SPAN: u64 = TABLE as u64 * PAGE;
/// An entry that was present and whose translation has not been flushed since.
const STALE: u32 = 1 << 31;

/// Reserved ranges of one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Area {
    start: Addr,
    end: Addr,
    /// 0 for areas of the boot, which stay.
    handle: Addr,
}

/// What mapping one page met.
#[derive(Debug, PartialEq, Eq)]
pub enum Mapped {
    Fine,
    /// Fine, but an old translation may still be used.
    OverStale,
    /// Refused: an entry is present.
    Present,
    /// The page table of the address does not exist.
    NoTable,
}

/// Address space above the linear map.
#[derive(Debug, PartialEq)]
pub struct Vm {
    /// Sorted by start.
    areas: Vec<Area>,
    /// Per page: 0 not present, else frame + 1; or STALE.
    pte: Vec<u32>,
    /// Page tables that exist: by index, and as a list for reset.
    has_table: Vec<bool>,
    tables: Vec<u32>,
    stale: Vec<u32>,
    boot: Saved,
}

/// What boot left, to go back to.
#[derive(Debug, Default, PartialEq)]
struct Saved {
    areas: Vec<Area>,
    tables: usize,
    ptes: Vec<(u32, u32)>,
}

fn index(addr: Addr) -> usize {
    ((addr - VMALLOC) >> PAGE_SHIFT) as usize
}

/// True for addresses of vmalloc space.
pub fn is_vmalloc(addr: Addr) -> bool {
    (VMALLOC..VMALLOC_END).contains(&addr)
}

impl Vm {
    pub fn new() -> Vm {
        let pages = ((VMALLOC_END - VMALLOC) >> PAGE_SHIFT) as usize;
        Vm {
            areas: Vec::with_capacity(1024),
            pte: vec![0; pages],
            has_table: vec![false; pages / TABLE],
            tables: Vec::with_capacity(1024),
            stale: Vec::with_capacity(1024),
            boot: Saved::default(),
        }
    }

    /// Nothing reserved, nothing mapped.
    pub fn clear(&mut self) {
        self.boot = Saved::default();
        self.restore();
        self.boot = Saved::default();
    }

    /// Remembers areas, tables and mappings as the boot made them.
    pub fn save(&mut self) {
        self.boot.areas.clone_from(&self.areas);
        self.boot.tables = self.tables.len();
        self.boot.ptes.clear();
        for t in &self.tables {
            let first = *t as usize * TABLE;
            let present = (first..first + TABLE).filter(|i| self.pte[*i] != 0).map(|i| (i as u32, self.pte[i]));
            self.boot.ptes.extend(present);
        }
    }

    /// Back to what [`Vm::save`] saw.
    pub fn restore(&mut self) {
        for t in &self.tables {
            let first = *t as usize * TABLE;
            self.pte[first..first + TABLE].fill(0);
        }
        for t in self.tables.drain(self.boot.tables.min(self.tables.len())..) {
            self.has_table[t as usize] = false;
        }
        for (i, v) in &self.boot.ptes {
            self.pte[*i as usize] = *v;
        }
        self.areas.clone_from(&self.boot.areas);
        self.stale.clear();
    }

    /// Chunk areas reserved, boot's not counted: number of ranges.
    pub fn live_ranges(&self) -> usize {
        self.areas.iter().filter(|a| a.handle != 0).count()
    }

    fn first_conflict(&self, start: Addr, end: Addr) -> Option<Area> {
        let i = self.areas.partition_point(|a| a.end <= start);
        self.areas.get(i).copied().filter(|a| a.start < end)
    }

    fn insert(&mut self, area: Area) {
        let i = self.areas.partition_point(|a| a.start < area.start);
        self.areas.insert(i, area);
    }

    /// The lowest base at which every group's range is free; ranges are reserved. 0 when there is none.
    pub fn reserve(&mut self, offsets: &[u64], sizes: &[u64], align: u64, handle: Addr) -> Addr {
        let align = align.max(PAGE);
        let mut base = VMALLOC.next_multiple_of(align);
        'search: loop {
            for (offset, size) in offsets.iter().zip(sizes) {
                let (start, end) = (base + offset, base + offset + size);
                if end > VMALLOC_END {
                    return 0;
                }
                if let Some(c) = self.first_conflict(start, end) {
                    base = (c.end.saturating_sub(*offset)).max(base + 1).next_multiple_of(align);
                    continue 'search;
                }
            }
            break;
        }
        for (offset, size) in offsets.iter().zip(sizes) {
            self.insert(Area { start: base + offset, end: base + offset + size, handle });
        }
        base
    }

    /// Gives the ranges of a handle back. vmalloc flushes lazily before it reuses them, so nothing of them is stale any
    /// more; pages still mapped there are unmapped by vmalloc and returned.
    pub fn release(&mut self, handle: Addr, mut unmapped: impl FnMut(Pfn)) -> bool {
        let before = self.areas.len();
        let pte = &mut self.pte;
        let has_table = &self.has_table;
        let mut gone = (0, 0);
        self.areas.retain(|a| {
            if a.handle != handle {
                return true;
            }
            let mut i = index(a.start);
            let end = index(a.end - PAGE) + 1;
            gone = (if gone.1 == 0 { i } else { gone.0.min(i) }, gone.1.max(end));
            while i < end {
                if !has_table[i / TABLE] {
                    i = (i / TABLE + 1) * TABLE;
                    continue;
                }
                let old = std::mem::take(&mut pte[i]);
                if old != 0 && old & STALE == 0 {
                    unmapped(old - 1);
                }
                i += 1;
            }
            false
        });
        if !self.stale.is_empty() {
            self.stale.retain(|i| pte[*i as usize] & STALE != 0);
        }
        self.areas.len() != before
    }

    /// True when `addr` has a page table.
    pub fn has_table(&self, addr: Addr) -> bool {
        self.has_table[index(addr) / TABLE]
    }

    /// Makes the page table of `addr`.
    pub fn make_table(&mut self, addr: Addr) {
        let t = index(addr) / TABLE;
        if !std::mem::replace(&mut self.has_table[t], true) {
            self.tables.push(t as u32);
        }
    }

    /// Maps one page.
    pub fn map(&mut self, addr: Addr, pfn: Pfn) -> Mapped {
        let i = index(addr);
        if !self.has_table[i / TABLE] {
            return Mapped::NoTable;
        }
        let old = self.pte[i];
        if old & STALE != 0 {
            self.pte[i] = pfn + 1;
            self.stale.retain(|s| *s != i as u32);
            return Mapped::OverStale;
        }
        if old != 0 {
            return Mapped::Present;
        }
        self.pte[i] = pfn + 1;
        Mapped::Fine
    }

    /// Unmaps one page; its translation is stale until flushed. The frame that was mapped.
    pub fn unmap(&mut self, addr: Addr) -> Option<Pfn> {
        let i = index(addr);
        let old = self.pte[i];
        if old == 0 || old & STALE != 0 {
            return None;
        }
        self.pte[i] = STALE;
        self.stale.push(i as u32);
        Some(old - 1)
    }

    /// Flushes translations of a range.
    pub fn flush(&mut self, start: Addr, end: Addr) {
        let range = index(start.clamp(VMALLOC, VMALLOC_END)) as u32..index(end.clamp(VMALLOC, VMALLOC_END)) as u32;
        let pte = &mut self.pte;
        self.stale.retain(|i| {
            let flushed = range.contains(i);
            if flushed {
                pte[*i as usize] = 0;
            }
            !flushed
        });
    }

    /// The frame mapped at `addr`.
    pub fn lookup(&self, addr: Addr) -> Option<Pfn> {
        match self.pte[index(addr)] {
            0 => None,
            e if e & STALE != 0 => None,
            e => Some(e - 1),
        }
    }

    /// The first page of the range that is not mapped, and whether a stale translation may hide that.
    pub fn first_hole(&self, addr: Addr, len: u64) -> Option<(Addr, bool)> {
        let last = index(addr + len.max(1) - 1);
        (index(addr)..=last)
            .find(|i| self.pte[*i] == 0 || self.pte[*i] & STALE != 0)
            .map(|i| (VMALLOC + ((i as u64) << PAGE_SHIFT), self.pte[i] != 0))
    }
}
