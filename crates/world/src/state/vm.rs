// SPDX-License-Identifier: GPL-2.0-only
//! vmalloc space: areas, page tables per 2 MiB, and translations that may still be cached.

use crate::arena::addresses::{VMALLOC, VMALLOC_END};
use crate::arena::{PAGE, PAGE_SHIFT};
use percuss_kernel::{Addr, Pfn};

/// Pages that one page-table page maps.
const TABLE: usize = 512;
/// Bytes that one page-table page maps: 2 MiB.
pub const TABLE_SPAN: u64 = TABLE as u64 * PAGE;
/// The entry was present, and its translation has not been flushed since: a CPU may still use it, and the page it led
/// to may belong to another owner by then.
const STALE: u32 = 1 << 31;

/// A reserved range: one group of one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Area {
    start: Addr,
    end: Addr,
    /// The handle with which the chunk frees it; 0 for areas of the boot, which stay.
    handle: Addr,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Mapped {
    Fine,
    /// The page is mapped, but an old translation of its address may still be used.
    OverStale,
    Present,
    /// Refused, because the page table of the address does not exist.
    NoTable,
}

/// Reserved areas, page tables and translations of vmalloc space.
#[derive(Debug, PartialEq)]
pub struct Vm {
    /// Sorted by start; they do not overlap.
    areas: Vec<Area>,
    /// By page: 0 not present, [`STALE`], or 1 + the frame.
    pte: Vec<u32>,
    has_table: Vec<bool>,
    /// Page tables that exist, in the order they were made. A reset clears these instead of all of `pte`.
    tables: Vec<u32>,
    stale: Vec<u32>,
    saved: Saved,
}

/// The state at the end of the boot. Page tables are never removed, so the first `tables` of the list are its.
#[derive(Debug, Default, PartialEq)]
struct Saved {
    areas: Vec<Area>,
    tables: usize,
    /// Index and value of entries that are not 0.
    ptes: Vec<(u32, u32)>,
}

#[inline]
fn index(addr: Addr) -> usize {
    ((addr - VMALLOC) >> PAGE_SHIFT) as usize
}

/// Whether the address is in vmalloc space, `is_vmalloc_addr()`.
#[inline]
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
            saved: Saved::default(),
        }
    }

    /// Forgets the boot: nothing is reserved, nothing is mapped.
    pub fn clear(&mut self) {
        self.saved = Saved::default();
        // Restoring to an empty boot clears what the last one left.
        self.restore();
        self.saved = Saved::default();
    }

    /// Remembers areas, tables and mappings at the end of the boot.
    pub fn save(&mut self) {
        self.saved.areas.clone_from(&self.areas);
        self.saved.tables = self.tables.len();
        self.saved.ptes.clear();
        for t in &self.tables {
            let first = *t as usize * TABLE;
            let present = (first..first + TABLE).filter(|i| self.pte[*i] != 0).map(|i| (i as u32, self.pte[i]));
            self.saved.ptes.extend(present);
        }
    }

    /// Goes back to what [`Vm::save`] remembered. It costs as much as there are page tables, and nothing is allocated.
    pub fn restore(&mut self) {
        for t in &self.tables {
            let first = *t as usize * TABLE;
            self.pte[first..first + TABLE].fill(0);
        }
        // The boot's tables are the first in the list, so what follows them is the program's.
        for t in self.tables.drain(self.saved.tables.min(self.tables.len())..) {
            self.has_table[t as usize] = false;
        }
        for (i, v) in &self.saved.ptes {
            self.pte[*i as usize] = *v;
        }
        self.areas.clone_from(&self.saved.areas);
        self.stale.clear();
    }

    /// Ranges reserved by chunks, those of the boot not counted.
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

    /// Reserves a range for each group, `sizes` bytes at `offsets` from a common base, and returns the base: the lowest
    /// at which all of them are free, or 0 when there is none. The kernel searches from the top; from the bottom, a
    /// program uses few pages of the World's tables.
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
                    // After the conflict, and further on in any case: an offset larger than its end would else begin
                    // the search again.
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

    /// Gives the ranges of a handle back; false when it has none. vmalloc flushes before it reuses addresses, so none
    /// of them is stale any more. It also unmaps pages that are still mapped there, which `unmapped` gets.
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
                // Stale entries go without a callback: unmap() has returned their page already.
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

    #[inline]
    pub fn has_table(&self, addr: Addr) -> bool {
        self.has_table[index(addr) / TABLE]
    }

    pub fn make_table(&mut self, addr: Addr) {
        let t = index(addr) / TABLE;
        if !std::mem::replace(&mut self.has_table[t], true) {
            self.tables.push(t as u32);
        }
    }

    #[inline]
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

    /// Unmaps one page and returns its frame; None when no page is mapped. The translation is stale until it is
    /// flushed.
    #[inline]
    pub fn unmap(&mut self, addr: Addr) -> Option<Pfn> {
        let i = index(addr);
        let old = self.pte[i];
        if old == 0 || old & STALE != 0 {
            return None;
        }
        // Not 0: until the flush, a CPU may still use the old translation.
        self.pte[i] = STALE;
        self.stale.push(i as u32);
        Some(old - 1)
    }

    /// Flushes the stale translations of a range of addresses, the end not included.
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

    #[inline]
    pub fn lookup(&self, addr: Addr) -> Option<Pfn> {
        match self.pte[index(addr)] {
            0 => None,
            e if e & STALE != 0 => None,
            e => Some(e - 1),
        }
    }

    /// The first page of the range that is not mapped, and whether its translation is stale: an access there would
    /// succeed on a machine and touch memory of another owner.
    #[inline]
    pub fn first_hole(&self, addr: Addr, len: u64) -> Option<(Addr, bool)> {
        let last = index(addr + len.max(1) - 1);
        (index(addr)..=last)
            .find(|i| self.pte[*i] == 0 || self.pte[*i] & STALE != 0)
            .map(|i| (VMALLOC + ((i as u64) << PAGE_SHIFT), self.pte[i] != 0))
    }
}
