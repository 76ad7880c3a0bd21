// SPDX-License-Identifier: GPL-2.0-only
//! A minimal kernel for tests: everything succeeds, memory is one lazily committed arena.
#![allow(dead_code)] // each test uses a part

use std::alloc::{Layout as MemLayout, alloc_zeroed, dealloc};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Addr, Diag, Irq, Lock, Pfn, Scope, TestKernel, TraceAlloc};
use percuss_shim::abi::*;
use percuss_shim::{Arena, Boot, CompileRequest, Config, Host, Image, Instance, compile};

pub const GFP_KERNEL: u32 = Gfp::KERNEL.0;
pub const GFP_ATOMIC: u32 = Gfp::ATOMIC.0;
pub const GFP_ACCOUNT: u32 = Gfp::ACCOUNT.0;

const FRAMES: u64 = 128 << 10;
const VMALLOC: u64 = 4 << 30;

/// The tree of a version, or None with a note.
pub fn tree(version: &str) -> Option<PathBuf> {
    let var = format!("PERCUSS_TREE_{}", version.replace('.', "_"));
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vendor/trees").join(version);
    let dir = std::env::var_os(&var).map_or(default, PathBuf::from);
    if dir.join("mm/percpu.c").exists() {
        return Some(dir);
    }
    eprintln!("skipped: no tree {version} (set {var})");
    None
}

/// The trees that are there.
pub fn trees() -> Vec<(&'static str, PathBuf)> {
    ["6.12", "6.1"].into_iter().filter_map(|v| Some((v, tree(v)?))).collect()
}

/// The image of a tree, compiled once per test program.
pub fn build(tree: &Path, config: Config) -> PathBuf {
    static BUILT: Mutex<BTreeMap<(PathBuf, &str), PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let count = built.len();
    let image = built.entry((tree.into(), config.name())).or_insert_with(|| {
        // Tests may be processes of their own, which run side by side.
        let name = format!("{}-{}-{count}", env!("CARGO_CRATE_NAME"), std::process::id());
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        build_in(&dir, tree, config, None, &[])
    });
    image.clone()
}

pub fn build_in(dir: &Path, tree: &Path, config: Config, overlay: Option<&Path>, flags: &[&str]) -> PathBuf {
    let req = CompileRequest {
        tree: tree.into(),
        overlay: overlay.map(Into::into),
        config,
        output: dir.join("image.so"),
        scratch: dir.join("scratch"),
        flags: flags.iter().map(Into::into).collect(),
        launcher: Vec::new(),
    };
    compile(&req).unwrap_or_else(|e| panic!("{e}")).path
}

pub struct TestHost {
    mem: *mut u8,
    layout: MemLayout,
    pub arena: Arena,
    cpus_per_node: u32,
    next_linear: Cell<u64>,
    next_vmalloc: Cell<u64>,
    next_frame: Cell<u32>,
    free_frames: RefCell<Vec<u32>>,
    blocks: RefCell<HashMap<u64, u64>>,
    free_blocks: RefCell<HashMap<u64, Vec<u64>>>,
    areas: RefCell<HashMap<u64, (u64, u64)>>,
    free_areas: RefCell<Vec<(u64, u64)>>,
    table: RefCell<Vec<u32>>,
    pub held: RefCell<BTreeSet<Lock>>,
    scope: Cell<u32>,
    pub work: Cell<bool>,
    pub digests: RefCell<Vec<u64>>,
    pub keep_digests: Cell<bool>,
    pub check: Cell<bool>,
    pub diags: RefCell<Vec<Message>>,
    pub charged: Cell<i64>,
    pub refs: Cell<i64>,
    pub zeroed: Cell<u64>,
    pub fail_pages_after: Cell<u64>,
}

/// Kind, integers and text of a diagnostic.
pub type Message = (Diag, Vec<u64>, String);

pub struct Snapshot {
    meta: Vec<u8>,
    next: (u64, u64, u32),
    frames: Vec<u32>,
    blocks: HashMap<u64, u64>,
    free_blocks: HashMap<u64, Vec<u64>>,
    areas: HashMap<u64, (u64, u64)>,
    free_areas: Vec<(u64, u64)>,
}

impl TestHost {
    pub fn new(page_struct: u32, cpus_per_node: u32) -> TestHost {
        let size = (FRAMES << 12) + VMALLOC + FRAMES * page_struct as u64 + (4 << 20);
        // A larger alignment would make Rust write zeros to all of it.
        let layout = MemLayout::from_size_align(size as usize, 16).expect("a layout");
        // SAFETY: the size is not zero.
        let mem = unsafe { alloc_zeroed(layout) };
        assert!(!mem.is_null(), "no address space");
        // The 2 MiB alignment of the arena makes layouts independent of where it is.
        let linear = (mem as u64).next_multiple_of(2 << 20);
        let vmalloc_start = linear + (FRAMES << 12);
        let arena = Arena {
            mem_map: vmalloc_start + VMALLOC,
            linear,
            linear_end: vmalloc_start,
            vmalloc_start,
            vmalloc_end: vmalloc_start + VMALLOC,
            static_image: linear + 4096,
        };
        TestHost {
            mem,
            layout,
            arena,
            cpus_per_node,
            next_linear: Cell::new(linear + (4 << 20)),
            next_vmalloc: Cell::new(vmalloc_start),
            next_frame: Cell::new((FRAMES / 2) as u32),
            free_frames: RefCell::default(),
            blocks: RefCell::default(),
            free_blocks: RefCell::default(),
            areas: RefCell::default(),
            free_areas: RefCell::default(),
            table: RefCell::new(vec![PERCUSS_NO_PFN; (VMALLOC >> 12) as usize]),
            held: RefCell::default(),
            scope: Cell::new(0),
            work: Cell::new(false),
            digests: RefCell::default(),
            keep_digests: Cell::new(false),
            check: Cell::new(true),
            diags: RefCell::default(),
            charged: Cell::new(0),
            refs: Cell::new(0),
            zeroed: Cell::new(0),
            fail_pages_after: Cell::new(u64::MAX),
        }
    }

    fn carve(&self, size: u64, align: u64) -> u64 {
        let at = self.next_linear.get().next_multiple_of(align.max(64));
        self.next_linear.set(at + size);
        assert!(self.next_linear.get() < self.arena.linear + (FRAMES << 11), "metadata memory is used up");
        at
    }

    fn metadata(&self, size: u64) -> u64 {
        let size = size.next_multiple_of(64);
        let reused = self.free_blocks.borrow_mut().get_mut(&size).and_then(Vec::pop);
        let at = reused.unwrap_or_else(|| self.carve(size, 64));
        // SAFETY: carved out of the arena.
        unsafe { std::ptr::write_bytes(at as *mut u8, 0, size as usize) };
        self.blocks.borrow_mut().insert(at, size);
        at
    }

    /// What a run changes in the host, per-CPU content excepted.
    pub fn snapshot(&self) -> Snapshot {
        let (start, end) = (self.arena.linear, self.next_linear.get());
        // SAFETY: inside the arena, and nothing runs.
        let meta = unsafe { std::slice::from_raw_parts(start as *const u8, (end - start) as usize) };
        Snapshot {
            meta: meta.to_vec(),
            next: (self.next_linear.get(), self.next_vmalloc.get(), self.next_frame.get()),
            frames: self.free_frames.borrow().clone(),
            blocks: self.blocks.borrow().clone(),
            free_blocks: self.free_blocks.borrow().clone(),
            areas: self.areas.borrow().clone(),
            free_areas: self.free_areas.borrow().clone(),
        }
    }

    pub fn restore(&self, s: &Snapshot) {
        // SAFETY: inside the arena, and nothing runs.
        unsafe { std::ptr::copy_nonoverlapping(s.meta.as_ptr(), self.arena.linear as *mut u8, s.meta.len()) };
        self.next_linear.set(s.next.0);
        self.next_vmalloc.set(s.next.1);
        self.next_frame.set(s.next.2);
        *self.free_frames.borrow_mut() = s.frames.clone();
        *self.blocks.borrow_mut() = s.blocks.clone();
        *self.free_blocks.borrow_mut() = s.free_blocks.clone();
        *self.areas.borrow_mut() = s.areas.clone();
        *self.free_areas.borrow_mut() = s.free_areas.clone();
        self.work.set(false);
    }

    fn page_index(&self, addr: u64) -> usize {
        ((addr - self.arena.vmalloc_start) >> 12) as usize
    }
}

impl Drop for TestHost {
    fn drop(&mut self) {
        // SAFETY: from alloc_zeroed with this layout.
        unsafe { dealloc(self.mem, self.layout) }
    }
}

impl Host for TestHost {
    type Kernel = TestHost;

    fn kernel(&self) -> &TestHost {
        self
    }

    /// The kernel's addresses are absolute.
    fn base(&self) -> u64 {
        0
    }

    fn internal_panic(&self, message: &str) -> ! {
        eprintln!("host call panicked: {message}");
        std::process::abort()
    }
}

/// The flags that [`TestHost`] gives for a lock taken with interrupts saved, and wants back.
const FLAGS: u64 = 7;

impl TestKernel for TestHost {
    fn scopes(&self) -> u32 {
        self.scope.get()
    }
    fn scope_save(&self, scope: Scope) -> bool {
        let old = self.scope.get();
        self.scope.set(old | 1 << scope as u32);
        old & 1 << scope as u32 != 0
    }
    fn scope_restore(&self, scope: Scope, old: bool) {
        self.scope.set(self.scope.get() & !(1 << scope as u32) | (old as u32) << scope as u32);
    }
    fn cpu_to_node(&self, cpu: u32) -> u32 {
        cpu / self.cpus_per_node
    }
    fn mutex_lock(&self, lock: Lock) {
        assert!(self.held.borrow_mut().insert(lock), "{lock:?} is held already");
    }
    fn mutex_lock_killable(&self, lock: Lock) -> bool {
        self.mutex_lock(lock);
        true
    }
    fn mutex_unlock(&self, lock: Lock) {
        assert!(self.held.borrow_mut().remove(&lock), "{lock:?} is not held");
    }
    fn spin_lock(&self, lock: Lock, _: Irq) -> u64 {
        self.mutex_lock(lock);
        FLAGS
    }
    fn spin_unlock(&self, lock: Lock, irq: Irq, flags: u64, digest: u64) {
        assert_eq!(flags, if irq == Irq::Save { FLAGS } else { 0 });
        self.mutex_unlock(lock);
        if self.keep_digests.get() {
            self.digests.borrow_mut().push(digest);
        }
    }
    fn is_held(&self, lock: Lock) -> bool {
        self.held.borrow().contains(&lock)
    }
    fn kzalloc(&self, size: u64, _: Gfp) -> Addr {
        self.metadata(size)
    }
    fn vmalloc(&self, size: u64, _: Gfp) -> Addr {
        self.metadata(size)
    }
    fn kvfree(&self, addr: u64) {
        if addr != 0 {
            let size = self.blocks.borrow_mut().remove(&addr).expect("allocated metadata");
            self.free_blocks.borrow_mut().entry(size).or_default().push(addr);
        }
    }
    fn alloc_page(&self, _: u32, _: Gfp) -> Option<Pfn> {
        let left = self.fail_pages_after.get();
        if left == 0 {
            return None;
        }
        self.fail_pages_after.set(left - 1);
        Some(self.free_frames.borrow_mut().pop().unwrap_or_else(|| {
            let pfn = self.next_frame.get();
            self.next_frame.set(pfn + 1);
            assert!((pfn as u64) < FRAMES, "out of frames");
            pfn
        }))
    }
    fn free_page(&self, pfn: u32) {
        self.free_frames.borrow_mut().push(pfn);
    }
    fn get_vm_areas(&self, offsets: &[u64], sizes: &[u64], align: u64, gfp: Gfp, extra: u64) -> Option<(Addr, Addr)> {
        assert_eq!(gfp, Gfp::KERNEL);
        let span = offsets.iter().zip(sizes).map(|(o, s)| o + s).max()?;
        let reused = self.free_areas.borrow_mut().pop();
        let (base, _) = reused.unwrap_or_else(|| {
            let base = self.next_vmalloc.get().next_multiple_of(align);
            self.next_vmalloc.set(base + span);
            assert!(self.next_vmalloc.get() < self.arena.vmalloc_end, "out of vmalloc space");
            (base, span)
        });
        let handle = self.metadata(extra);
        self.areas.borrow_mut().insert(handle, (base, span));
        Some((handle, base))
    }
    fn free_vm_areas(&self, handle: u64) {
        let area = self.areas.borrow_mut().remove(&handle).expect("an area");
        self.free_areas.borrow_mut().push(area);
        self.kvfree(handle);
    }
    fn vm_area_early(&self, size: u64, align: u64) -> u64 {
        let base = self.next_vmalloc.get().next_multiple_of(align);
        self.next_vmalloc.set(base + size);
        base
    }
    fn map_pages(&self, addr: Addr, pfns: &[Pfn], gfp: Gfp) -> bool {
        assert_eq!(gfp, Gfp::KERNEL | Gfp::ZERO);
        let at = self.page_index(addr);
        self.table.borrow_mut()[at..at + pfns.len()].copy_from_slice(pfns);
        true
    }
    fn unmap_pages(&self, addr: u64, nr: u32) {
        let at = self.page_index(addr);
        self.table.borrow_mut()[at..at + nr as usize].fill(PERCUSS_NO_PFN);
    }
    fn vmalloc_to_page(&self, addr: u64) -> Option<u32> {
        let pfn = self.table.borrow()[self.page_index(addr)];
        (pfn != PERCUSS_NO_PFN).then_some(pfn)
    }
    fn memblock_alloc(&self, size: u64, align: u64) -> Addr {
        self.carve(size, align)
    }
    fn memblock_alloc_node(&self, size: u64, align: u64, _: u32) -> Addr {
        self.carve(size, align)
    }
    fn schedule_work(&self) {
        self.work.set(true);
    }
    fn memcg_current(&self) -> u32 {
        3
    }
    fn memcg_ref(&self, objcg: u32, delta: i32) {
        assert_eq!(objcg, 3);
        self.refs.set(self.refs.get() + delta as i64);
    }
    fn memcg_charge(&self, objcg: u32, _: Gfp, bytes: u64) -> bool {
        assert_eq!(objcg, 3);
        self.charged.set(self.charged.get() + bytes as i64);
        true
    }
    fn memcg_uncharge(&self, objcg: u32, bytes: u64) {
        assert_eq!(objcg, 3);
        self.charged.set(self.charged.get() - bytes as i64);
    }
    fn memcg_stat(&self, objcg: u32, _delta: i64) {
        assert_eq!(objcg, 3);
    }
    fn zero(&self, addr: u64, len: u64) {
        self.zeroed.set(self.zeroed.get() + len);
        if self.check.get() {
            // SAFETY: per-CPU memory of the arena.
            unsafe { std::ptr::write_bytes(addr as *mut u8, 0, len as usize) };
        }
    }
    fn trace_alloc(&self, t: TraceAlloc) {
        assert!(t.bytes_alloc >= t.size);
    }
    fn diag(&self, kind: Diag, args: &[u64], text: &str) {
        self.diags.borrow_mut().push((kind, args.to_vec(), text.to_owned()));
        if matches!(kind, Diag::Bug | Diag::Panic | Diag::Loud) {
            eprintln!("{text}");
            std::process::abort();
        }
    }
}

pub fn boot(image: Image, boot: &Boot) -> (Instance<TestHost>, percuss_shim::Layout) {
    let host = TestHost::new(image.facts().page_struct_size, boot.possible.count_ones().div_ceil(2));
    let arena = host.arena;
    // SAFETY: the arena lives as long as the host, which the instance owns.
    let instance = unsafe { Instance::new(image, host, arena) };
    let layout = instance.boot(boot).expect("the builder succeeds");
    (instance, layout)
}

pub fn params(cpus: u32, first: u32) -> Boot {
    Boot {
        possible: u64::MAX >> (64 - cpus),
        static_size: 8190,
        reserved_size: 8196,
        dyn_size: 20 << 10,
        atom_size: if first == PERCUSS_FIRST_EMBED { 64 << 10 } else { 4096 },
        unit_size: 0,
        first,
        kmem: 1,
    }
}

pub struct Rng(pub u64);

impl Rng {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Random allocs and frees with the work item run when scheduled; frees everything at the end if asked.
pub fn exercise(i: &Instance<TestHost>, rng: &mut Rng, ops: u32, slots: usize, drain: bool) {
    let mut live = vec![0u64; slots];
    for _ in 0..ops {
        let slot = &mut live[rng.below(slots as u64) as usize];
        if *slot != 0 {
            i.free(*slot);
            *slot = 0;
        } else {
            let size = match rng.below(8) {
                0..4 => 4 + 4 * rng.below(16),
                4..7 => 1 + rng.below(512),
                _ => 1 + rng.below(4096),
            };
            let align = 1 << rng.below(7);
            let gfp = [GFP_KERNEL, GFP_KERNEL | GFP_ACCOUNT, GFP_ATOMIC][rng.below(3) as usize];
            *slot = i.alloc(size, align, rng.below(32) == 0, gfp);
            assert!(slot.is_multiple_of(align));
        }
        if i.host().work.replace(false) {
            i.balance();
        }
    }
    if drain {
        live.into_iter().filter(|p| *p != 0).for_each(|p| i.free(p));
        i.balance();
    }
}
