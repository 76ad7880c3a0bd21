// SPDX-License-Identifier: GPL-2.0-only
//! The memory of one World instance: a single reservation, committed lazily, in which every address has a fixed place.
//!
//! This is the only file of the World with unsafe memory access; everything else works with relative addresses.

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, Ordering};

use percuss_kernel::Addr;

/// Fills backing pages before their first use and areas when they are freed: what a missing memset leaves behind.
pub const POISON: u8 = 0x6b;

/// Calls `f` compiled for a processor of our days (x86-64-v3) where it runs on one: long loops over bytes and bits gain,
/// provided that they are inlined into `f`.
#[inline]
pub fn wide<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
        fn level3<R>(f: impl FnOnce() -> R) -> R {
            f()
        }
        if level3_runs() {
            // SAFETY: the processor has been asked.
            return unsafe { level3(f) };
        }
    }
    f()
}

/// Whether the processor has what [`wide`] compiles for, asked once.
#[cfg(target_arch = "x86_64")]
#[inline]
fn level3_runs() -> bool {
    const UNKNOWN: u8 = 0;
    const YES: u8 = 1;
    static ANSWER: AtomicU8 = AtomicU8::new(UNKNOWN);
    #[cold]
    fn ask() -> bool {
        let yes = std::is_x86_feature_detected!("avx2")
            && std::is_x86_feature_detected!("bmi1")
            && std::is_x86_feature_detected!("bmi2")
            && std::is_x86_feature_detected!("lzcnt")
            && std::is_x86_feature_detected!("popcnt");
        ANSWER.store(if yes { YES } else { YES + 1 }, Ordering::Relaxed);
        yes
    }
    match ANSWER.load(Ordering::Relaxed) {
        UNKNOWN => ask(),
        answer => answer == YES,
    }
}

/// Where things are, relative to the arena.
pub mod place {
    /// The static image, `__per_cpu_start`; page aligned.
    pub const STATIC: u64 = 0x0010_0000;
    /// Bytes of the static image at most.
    pub const STATIC_MAX: u64 = 1 << 20;
    /// Metadata (`kzalloc`, `vmalloc`).
    pub const HEAP: u64 = 0x1000_0000;
    /// End of metadata.
    pub const HEAP_END: u64 = 0x2000_0000;
    /// `struct page` array.
    pub const MEM_MAP: u64 = 0x2000_0000;
    /// Linear map: frame 0.
    pub const LINEAR: u64 = 0x4000_0000;
    /// Bytes of linear map a node has.
    pub const NODE: u64 = 0x1000_0000;
    /// Nodes.
    pub const NODES: u64 = 4;
    /// End of the linear map.
    pub const LINEAR_END: u64 = LINEAR + NODE * NODES;
    /// vmalloc space.
    pub const VMALLOC: u64 = 0x1_0000_0000;
    /// End of vmalloc space and of the arena.
    pub const VMALLOC_END: u64 = VMALLOC + (16 << 30);
}

/// log2 of the page size.
pub const PAGE_SHIFT: u32 = 12;
/// Bytes of a page.
pub const PAGE: u64 = 1 << PAGE_SHIFT;

/// Filling and copying, which AddressSanitizer does not look at: the World may touch what it forbids to its tenant.
mod plain {
    /// # Safety
    /// As for [`std::ptr::write_bytes`].
    #[inline(always)]
    pub unsafe fn fill(dst: *mut u8, byte: u8, len: usize) {
        #[cfg(all(percuss_asan, target_arch = "x86_64"))]
        // SAFETY: the caller's promise; the direction flag is clear by the ABI.
        unsafe {
            std::arch::asm!(
                "rep stosb",
                inout("rcx") len => _, inout("rdi") dst => _, in("al") byte,
                options(nostack, preserves_flags)
            );
        }
        #[cfg(not(all(percuss_asan, target_arch = "x86_64")))]
        // SAFETY: the caller's promise.
        unsafe {
            std::ptr::write_bytes(dst, byte, len);
        }
    }

    /// # Safety
    /// As for [`std::ptr::copy_nonoverlapping`].
    #[inline(always)]
    pub unsafe fn copy(src: *const u8, dst: *mut u8, len: usize) {
        #[cfg(all(percuss_asan, target_arch = "x86_64"))]
        // SAFETY: the caller's promise; the direction flag is clear by the ABI.
        unsafe {
            std::arch::asm!(
                "rep movsb",
                inout("rcx") len => _, inout("rsi") src => _, inout("rdi") dst => _,
                options(nostack, preserves_flags)
            );
        }
        #[cfg(not(all(percuss_asan, target_arch = "x86_64")))]
        // SAFETY: the caller's promise.
        unsafe {
            std::ptr::copy_nonoverlapping(src, dst, len);
        }
    }
}

/// AddressSanitizer's interface.
#[cfg(percuss_asan)]
mod asan {
    use std::ffi::{c_int, c_void};

    unsafe extern "C" {
        pub fn __asan_poison_memory_region(addr: *const c_void, size: usize);
        pub fn __asan_unpoison_memory_region(addr: *const c_void, size: usize);
        pub fn __asan_address_is_poisoned(addr: *const c_void) -> c_int;
    }
}

/// A reservation of [`place::VMALLOC_END`] bytes, readable and writable, that costs memory only where it is touched.
#[derive(Debug)]
pub struct Arena {
    /// Start of the mapping, which is [`SLACK`] longer than the arena.
    mapping: NonNull<u8>,
    /// First address of the arena: 2 MiB aligned, so that relative and absolute alignment agree.
    base: NonNull<u8>,
}

// SAFETY: the mapping is owned by the arena alone and tied to no thread.
unsafe impl Send for Arena {}

/// Alignment of the arena's base in bytes.
const SLACK: usize = 2 << 20;

impl Arena {
    /// Reserves the address space.
    ///
    /// # Errors
    /// The system refuses the reservation (address-space limit).
    pub fn new() -> io::Result<Arena> {
        // SAFETY: an anonymous private mapping at an address of the kernel's choice touches no memory of ours.
        let p = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                place::VMALLOC_END as usize + SLACK,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        match NonNull::new(p.cast::<u8>()) {
            Some(mapping) if p != libc::MAP_FAILED => {
                let skip = mapping.as_ptr().align_offset(SLACK);
                // SAFETY: skip is below SLACK, by which the mapping is longer than the arena.
                Ok(Arena { mapping, base: unsafe { mapping.add(skip) } })
            }
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Absolute address of relative address 0.
    pub fn base(&self) -> u64 {
        self.base.as_ptr() as u64
    }

    fn check(addr: Addr, len: u64) {
        assert!(
            addr >= place::STATIC && len <= place::VMALLOC_END && addr <= place::VMALLOC_END - len,
            "arena access at {addr:#x}+{len:#x} is outside the arena"
        );
    }

    /// Fills `len` bytes.
    #[inline]
    pub fn fill(&self, addr: Addr, len: u64, byte: u8) {
        Arena::check(addr, len);
        // SAFETY: checked to lie inside the reservation, which is mapped read-write; no Rust reference into it is alive
        // (slices handed out by `bytes` borrow self only while the World is not running a tenant).
        unsafe { plain::fill(self.base.as_ptr().add(addr as usize), byte, len as usize) }
    }

    /// Copies `len` bytes; the ranges do not overlap.
    pub fn copy(&self, src: Addr, dst: Addr, len: u64) {
        Arena::check(src, len);
        Arena::check(dst, len);
        assert!(src + len <= dst || dst + len <= src, "overlapping copy inside the arena");
        // SAFETY: both ranges lie inside the reservation and do not overlap (asserted).
        unsafe {
            let base = self.base.as_ptr();
            plain::copy(base.add(src as usize), base.add(dst as usize), len as usize);
        }
    }

    /// Writes bytes.
    pub fn write(&self, addr: Addr, bytes: &[u8]) {
        Arena::check(addr, bytes.len() as u64);
        // SAFETY: the destination lies inside the reservation; the source is a live slice elsewhere.
        unsafe { plain::copy(bytes.as_ptr(), self.base.as_ptr().add(addr as usize), bytes.len()) }
    }

    /// Looks at bytes; the slice must be dropped before a tenant runs again.
    #[inline]
    pub fn bytes(&self, addr: Addr, len: u64) -> &[u8] {
        Arena::check(addr, len);
        // SAFETY: inside the reservation, initialised (anonymous memory reads as zero); tenants write only while they
        // run, and callers drop the slice before they let one run. Where threads share a World, a caller has it, and looks
        // at memory that is no other thread's: that of an area is written through the World alone.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr().add(addr as usize), len as usize) }
    }

    /// Nobody may touch these bytes until they are [owned](Arena::owned) again: with AddressSanitizer, an access from the C
    /// ends the program with a report. Without it nothing happens.
    ///
    /// At either end bytes that share eight with somebody else's stay accessible.
    #[inline]
    pub fn forbidden(&self, addr: Addr, len: u64) {
        #[cfg(percuss_asan)]
        {
            Arena::check(addr, len);
            // SAFETY: marks memory of our own reservation; checked to lie inside it.
            unsafe { asan::__asan_poison_memory_region(self.base.as_ptr().add(addr as usize).cast(), len as usize) };
        }
        let _ = (addr, len);
    }

    /// Somebody owns these bytes.
    #[inline]
    pub fn owned(&self, addr: Addr, len: u64) {
        #[cfg(percuss_asan)]
        {
            Arena::check(addr, len);
            // SAFETY: as above.
            unsafe { asan::__asan_unpoison_memory_region(self.base.as_ptr().add(addr as usize).cast(), len as usize) };
        }
        let _ = (addr, len);
    }

    /// Whether an access to the byte would be reported; None without AddressSanitizer.
    pub fn is_forbidden(&self, addr: Addr) -> Option<bool> {
        #[cfg(percuss_asan)]
        {
            Arena::check(addr, 1);
            // SAFETY: asks about an address; nothing is accessed.
            Some(unsafe { asan::__asan_address_is_poisoned(self.base.as_ptr().add(addr as usize).cast()) } != 0)
        }
        #[cfg(not(percuss_asan))]
        {
            let _ = addr;
            None
        }
    }

    /// Gives committed memory of a page-aligned range back; it reads as zero afterwards.
    pub fn release(&self, addr: Addr, len: u64) {
        Arena::check(addr, len);
        // SAFETY: the range is inside our own anonymous mapping and page aligned; losing its content is the purpose.
        unsafe { libc::madvise(self.base.as_ptr().add(addr as usize).cast(), len as usize, libc::MADV_DONTNEED) };
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: unmaps exactly what `new` mapped; nothing refers to it any more.
        unsafe { libc::munmap(self.mapping.as_ptr().cast(), place::VMALLOC_END as usize + SLACK) };
    }
}
