// SPDX-License-Identifier: GPL-2.0-only
//! A small kernel for tests of the Model: every backing is there and can be made to fail, and a misuse that the kernel
//! would not survive (a sleeping call under pcpu_lock, a double free, a page mapped twice) panics.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};

use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Addr, Diag, Geometry, Irq, Lock, Pfn, TestKernel, TraceAlloc};

// The ranges lie far apart, so that an address says in a failing test what it is of.
pub const STATIC_IMAGE: Addr = 0x10_000;
const LINEAR: Addr = 0x1000_0000;
const VMALLOC: Addr = 0x10_0000_0000;
const METADATA: Addr = 0x80_0000_0000;
const FIRST_FREE_PFN: Pfn = 1 << 18;
const OBJCG: u32 = 1;

/// Backing that a test can make fail: `Mock::fail` holds which one, and at which call from now on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fail {
    Metadata,
    Page,
    Map,
    Areas,
    Memblock,
    Charge,
}

pub struct Mock {
    geometry: Geometry,
    memblock_next: Cell<Addr>,
    pub memblock_calls: Cell<u32>,
    areas_next: Cell<Addr>,
    metadata_next: Cell<Addr>,
    pub metadata: RefCell<HashMap<Addr, u64>>,
    pub areas: RefCell<HashMap<Addr, Addr>>,
    pub pages: RefCell<HashSet<Pfn>>,
    free_pages: RefCell<Vec<Pfn>>,
    page_next: Cell<Pfn>,
    pub mapped: RefCell<HashMap<Addr, Pfn>>,
    locked: Cell<bool>,
    mutex: Cell<bool>,
    pub fail: Cell<Option<(Fail, u32)>>,
    pub accounted: Cell<bool>,
    pub charged: Cell<i64>,
    pub refs: Cell<i32>,
    pub work: Cell<bool>,
    /// Digest of the calls that change something, with their arguments: two runs with the same digest did the same.
    pub calls: Cell<u64>,
    pub diags: Cell<u32>,
    pub warnings: RefCell<Vec<(Diag, Vec<u64>)>>,
    /// Addresses of the units that the static image was copied to, in order.
    pub copied: RefCell<Vec<Addr>>,
    /// A BUG or an unmodelled path panics unless this is set. The World does not return from one; a test of what led to
    /// it may go on.
    pub survives: Cell<bool>,
}

impl Mock {
    pub fn new(geometry: Geometry) -> Mock {
        Mock {
            geometry,
            memblock_next: Cell::new(LINEAR),
            memblock_calls: Cell::new(0),
            areas_next: Cell::new(VMALLOC),
            metadata_next: Cell::new(METADATA),
            metadata: RefCell::default(),
            areas: RefCell::default(),
            pages: RefCell::default(),
            free_pages: RefCell::default(),
            page_next: Cell::new(FIRST_FREE_PFN),
            mapped: RefCell::default(),
            locked: Cell::new(false),
            mutex: Cell::new(false),
            fail: Cell::new(None),
            accounted: Cell::new(false),
            charged: Cell::new(0),
            refs: Cell::new(0),
            work: Cell::new(false),
            calls: Cell::new(0),
            diags: Cell::new(0),
            warnings: RefCell::default(),
            copied: RefCell::default(),
            survives: Cell::new(false),
        }
    }

    fn fails(&self, site: Fail) -> bool {
        match self.fail.get() {
            Some((failing, left)) if failing == site => {
                // Counts calls of this backing down to the one that fails; then it is spent.
                self.fail.set((left > 1).then_some((site, left.saturating_sub(1))));
                left == 1
            }
            _ => false,
        }
    }

    fn note(&self, what: u64, value: u64) {
        use percuss_kernel::digest::mix;
        self.calls.set(mix(mix(self.calls.get(), what), value));
    }

    fn memblock(&self, size: u64, align: u64) -> Addr {
        self.memblock_calls.set(self.memblock_calls.get() + 1);
        if self.fails(Fail::Memblock) {
            return 0;
        }
        let at = self.memblock_next.get().next_multiple_of(align);
        self.memblock_next.set(at + size);
        at
    }

    fn metadata_alloc(&self, size: u64) -> Addr {
        if self.fails(Fail::Metadata) {
            return 0;
        }
        let addr = self.metadata_next.get();
        self.metadata_next.set(addr + size.next_multiple_of(64));
        self.metadata.borrow_mut().insert(addr, size);
        addr
    }

    fn sleeps(&self) {
        assert!(!self.locked.get(), "sleeping call under pcpu_lock");
    }

    /// Panics when a lock is held: between ops none may be.
    pub fn at_rest(&self) {
        assert!(!self.locked.get() && !self.mutex.get(), "lock held between ops");
    }
}

impl TestKernel for Mock {
    fn possible(&self) -> u64 {
        self.geometry.cpus
    }
    fn cpu(&self) -> u32 {
        self.geometry.cpus.trailing_zeros()
    }
    fn cpu_to_node(&self, cpu: u32) -> u32 {
        self.geometry.node(cpu)
    }
    fn linear(&self) -> Addr {
        LINEAR
    }
    fn is_vmalloc(&self, addr: Addr) -> bool {
        (VMALLOC..METADATA).contains(&addr)
    }
    fn static_image(&self) -> Addr {
        STATIC_IMAGE
    }
    fn cond_resched(&self) {
        self.sleeps();
        self.note(1, 0);
    }
    fn mutex_lock(&self, lock: Lock) {
        assert!(lock == Lock::AllocMutex && !self.mutex.replace(true));
        self.sleeps();
    }
    fn mutex_lock_killable(&self, lock: Lock) -> bool {
        self.mutex_lock(lock);
        true
    }
    fn mutex_unlock(&self, _: Lock) {
        assert!(self.mutex.replace(false));
    }
    fn spin_lock(&self, lock: Lock, irq: Irq) -> u64 {
        assert!(lock == Lock::Pcpu && !self.locked.replace(true));
        self.note(2, irq as u64);
        0
    }
    fn spin_unlock(&self, _: Lock, _: Irq, _: u64, digest: u64) {
        assert!(self.locked.replace(false));
        self.note(3, digest);
    }
    fn kzalloc(&self, size: u64, _: Gfp) -> Addr {
        self.sleeps();
        // Larger ones must come from vmalloc.
        assert!(size <= 4096);
        self.note(4, size);
        self.metadata_alloc(size)
    }
    fn vmalloc(&self, size: u64, gfp: Gfp) -> Addr {
        self.sleeps();
        assert!(size > 4096 && gfp.contains(Gfp::ZERO));
        self.note(5, size);
        self.metadata_alloc(size)
    }
    fn kvfree(&self, addr: Addr) {
        self.note(6, addr);
        assert!(self.metadata.borrow_mut().remove(&addr).is_some(), "bad kvfree");
    }
    fn alloc_page(&self, node: u32, gfp: Gfp) -> Option<Pfn> {
        self.sleeps();
        // Without the mutex two tasks could populate the same page.
        assert!(self.mutex.get() && gfp.contains(Gfp::HIGHMEM));
        self.note(7, node as u64);
        if self.fails(Fail::Page) {
            return None;
        }
        let pfn =
            self.free_pages.borrow_mut().pop().unwrap_or_else(|| self.page_next.replace(self.page_next.get() + 1));
        self.pages.borrow_mut().insert(pfn);
        Some(pfn)
    }
    fn free_page(&self, pfn: Pfn) {
        self.note(8, pfn as u64);
        assert!(self.pages.borrow_mut().remove(&pfn), "bad page free");
        self.free_pages.borrow_mut().push(pfn);
    }
    fn get_vm_areas(&self, offsets: &[u64], sizes: &[u64], align: u64, _: Gfp, _: u64) -> Option<(Addr, Addr)> {
        self.sleeps();
        if self.fails(Fail::Areas) {
            return None;
        }
        let base = self.areas_next.get().next_multiple_of(align);
        let end = offsets.iter().zip(sizes).map(|(offset, size)| base + offset + size).max().unwrap();
        self.areas_next.set(end);
        // The handle is metadata, so that a failure of metadata also fails areas that were found.
        let handle = self.metadata_alloc(1);
        if handle == 0 {
            return None;
        }
        self.areas.borrow_mut().insert(handle, base);
        self.note(9, base);
        Some((handle, base))
    }
    fn free_vm_areas(&self, handle: Addr) {
        self.metadata.borrow_mut().remove(&handle);
        assert!(self.areas.borrow_mut().remove(&handle).is_some());
    }
    fn vm_area_early(&self, size: u64, align: u64) -> Addr {
        let base = self.areas_next.get().next_multiple_of(align);
        self.areas_next.set(base + size);
        base
    }
    fn map_pages(&self, addr: Addr, pfns: &[Pfn], _: Gfp) -> bool {
        self.note(10, addr);
        let fails = self.fails(Fail::Map);
        // A failure half way leaves what was mapped before it.
        let nr = if fails { pfns.len() / 2 } else { pfns.len() };
        for (index, pfn) in pfns[..nr].iter().enumerate() {
            let old = self.mapped.borrow_mut().insert(addr + index as u64 * 4096, *pfn);
            assert!(old.is_none(), "mapped over a present page");
        }
        !fails
    }
    fn unmap_pages(&self, addr: Addr, nr: u32) {
        self.note(11, addr);
        for page in 0..nr as u64 {
            self.mapped.borrow_mut().remove(&(addr + page * 4096));
        }
    }
    fn vmalloc_to_page(&self, addr: Addr) -> Option<Pfn> {
        self.mapped.borrow().get(&(addr & !4095)).copied()
    }
    fn flush_cache(&self, start: Addr, end: Addr, unmap: bool) {
        self.note(12 + unmap as u64, start ^ end << 1);
    }
    fn flush_tlb(&self, start: Addr, end: Addr) {
        self.note(14, start ^ end << 1);
    }
    fn memblock_alloc(&self, size: u64, align: u64) -> Addr {
        self.memblock(size, align)
    }
    fn memblock_alloc_node(&self, size: u64, align: u64, _: u32) -> Addr {
        self.memblock(size, align)
    }
    fn memblock_free(&self, addr: Addr, size: u64) {
        assert!(addr >= LINEAR && addr + size <= self.memblock_next.get());
    }
    fn copy_static(&self, to: Addr, _: u64) {
        self.copied.borrow_mut().push(to);
    }
    fn schedule_work(&self) {
        self.note(15, 0);
        self.work.set(true);
    }
    fn kmem_online(&self) -> bool {
        self.geometry.kmem
    }
    fn memcg_current(&self) -> u32 {
        if self.accounted.get() { OBJCG } else { 0 }
    }
    fn memcg_ref(&self, _: u32, delta: i32) {
        self.refs.set(self.refs.get() + delta);
    }
    fn memcg_charge(&self, _: u32, _: Gfp, bytes: u64) -> bool {
        if self.fails(Fail::Charge) {
            return false;
        }
        self.note(16, bytes);
        self.charged.set(self.charged.get() + bytes as i64);
        true
    }
    fn memcg_uncharge(&self, _: u32, bytes: u64) {
        self.charged.set(self.charged.get() - bytes as i64);
    }
    fn zero(&self, addr: Addr, len: u64) {
        self.note(17, addr);
        // Whatever is cleared must be backed: areas of dynamic chunks are mapped.
        if self.is_vmalloc(addr) {
            for page in addr / 4096..(addr + len).div_ceil(4096) {
                assert!(self.mapped.borrow().contains_key(&(page * 4096)), "zeroed memory is not mapped");
            }
        }
    }
    fn trace_alloc(&self, t: TraceAlloc) {
        self.note(18, t.bytes_alloc as u64);
    }
    fn trace_alloc_fail(&self, _: bool, _: bool, size: u64, _: u64) {
        self.note(19, size);
    }
    fn trace_free(&self, _: Addr, off: i32, _: Addr) {
        self.note(20, off as u64);
    }
    fn diag(&self, kind: Diag, args: &[u64], _: &str) {
        self.note(21, args.iter().sum());
        self.diags.set(self.diags.get() + 1);
        self.warnings.borrow_mut().push((kind, args.to_vec()));
        assert!(self.survives.get() || !matches!(kind, Diag::Bug | Diag::Loud), "BUG");
    }
}
