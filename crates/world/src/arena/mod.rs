// SPDX-License-Identifier: GPL-2.0-only
//! The memory of one World: a single reservation, committed lazily, in which every kind of address has a fixed range.
//!
//! Apart from the fibers, this folder has the only unsafe code of the World; everything else works with relative
//! addresses and calls the arena.

mod plain;
mod wide;

pub use wide::wide;

use std::io;
use std::ptr::NonNull;

use percuss_kernel::Addr;

/// Fills backing pages before their first use and areas when they are freed. It is the byte of the kernel's
/// `POISON_FREE`, so a missing memset shows as memory that nothing ever set to zero.
pub const POISON: u8 = 0x6b;

/// Where the World's memory is, relative to the arena. The ranges are far larger than any program needs, since only
/// pages that are touched cost memory, and they never change, so a pointer tells from its value what it points to.
pub mod addresses {
    /// The static image, from `__per_cpu_start` on; page aligned, because static variables may be.
    pub const STATIC: u64 = 0x0010_0000;
    /// The largest static image in bytes.
    pub const STATIC_MAX: u64 = 1 << 20;
    /// Metadata, of `kzalloc()` and `__vmalloc()`.
    pub const HEAP: u64 = 0x1000_0000;
    pub const HEAP_END: u64 = 0x2000_0000;
    /// The array of `struct page`, by frame.
    pub const MEM_MAP: u64 = 0x2000_0000;
    /// The linear map, which begins with frame 0.
    pub const LINEAR: u64 = 0x4000_0000;
    /// Bytes of linear map that a node has: memblock uses the lower half, the page allocator the upper.
    pub const NODE: u64 = 0x1000_0000;
    pub const NODES: u64 = 4;
    pub const LINEAR_END: u64 = LINEAR + NODE * NODES;
    /// vmalloc space: above all other memory, as on x86-64.
    pub const VMALLOC: u64 = 0x1_0000_0000;
    pub const VMALLOC_END: u64 = VMALLOC + (16 << 30);
}

/// log2 of the page size, which is 4 KiB as on most machines.
pub const PAGE_SHIFT: u32 = 12;
pub const PAGE: u64 = 1 << PAGE_SHIFT;

/// The interface of AddressSanitizer's runtime, which is linked in with it.
#[cfg(percuss_asan)]
mod asan {
    use std::ffi::{c_int, c_void};

    unsafe extern "C" {
        pub fn __asan_poison_memory_region(addr: *const c_void, size: usize);
        pub fn __asan_unpoison_memory_region(addr: *const c_void, size: usize);
        pub fn __asan_address_is_poisoned(addr: *const c_void) -> c_int;
    }
}

/// A reservation of [`addresses::VMALLOC_END`] bytes, readable and writable, that costs memory only where it is
/// touched.
///
/// Its methods take addresses relative to its base, and panic where a range is not inside it.
#[derive(Debug)]
pub struct Arena {
    /// Start of the mapping, which is [`SLACK`] longer than the arena.
    mapping: NonNull<u8>,
    /// The first address of the arena. It is 2 MiB aligned, so that an address has the same alignment relative and
    /// absolute.
    base: NonNull<u8>,
}

// SAFETY: the mapping is owned by the arena alone and tied to no thread.
unsafe impl Send for Arena {}

/// Alignment of the arena's base in bytes: the largest that percpu.c asks for, a huge page.
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
                addresses::VMALLOC_END as usize + SLACK,
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

    #[inline]
    pub fn base(&self) -> u64 {
        self.base.as_ptr() as u64
    }

    #[inline]
    fn check(addr: Addr, len: u64) {
        assert!(
            // Written so that no sum can wrap: an address comes from the tenant and may be any number.
            addr >= addresses::STATIC && len <= addresses::VMALLOC_END && addr <= addresses::VMALLOC_END - len,
            "arena access at {addr:#x}+{len:#x} is outside the arena"
        );
    }

    #[inline]
    pub fn fill(&self, addr: Addr, len: u64, byte: u8) {
        Arena::check(addr, len);
        // SAFETY: checked to lie inside the reservation, which is mapped read-write; no Rust reference into it is alive
        // (slices handed out by `bytes` borrow self only while the World is not running a tenant).
        unsafe { plain::fill(self.base.as_ptr().add(addr as usize), byte, len as usize) }
    }

    /// Copies `len` bytes. The ranges must not overlap.
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

    #[inline]
    pub fn write(&self, addr: Addr, bytes: &[u8]) {
        Arena::check(addr, bytes.len() as u64);
        // SAFETY: the destination lies inside the reservation; the source is a live slice elsewhere.
        unsafe { plain::copy(bytes.as_ptr(), self.base.as_ptr().add(addr as usize), bytes.len()) }
    }

    /// The bytes of a range. The caller must drop the slice before a tenant runs again, since tenants write through
    /// pointers that the borrow checker does not know.
    #[inline]
    pub fn bytes(&self, addr: Addr, len: u64) -> &[u8] {
        Arena::check(addr, len);
        // SAFETY: inside the reservation, initialised (anonymous memory reads as zero); tenants write only while they
        // run, and callers drop the slice before they let one run. Where threads share a World, a caller has it, and
        // looks at memory that is no other thread's: that of an area is written through the World alone.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr().add(addr as usize), len as usize) }
    }

    /// Forbids the tenant to touch these bytes until they are [owned](Arena::owned) again. With AddressSanitizer, an
    /// access from C code ends the process with a report; without it, this does nothing.
    ///
    /// AddressSanitizer marks groups of eight bytes, so bytes at either end that share a group with an accessible one
    /// stay accessible.
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

    /// Allows the tenant to touch these bytes, see [`Arena::forbidden`].
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

    /// Whether AddressSanitizer would report an access to the byte; None without it.
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

    /// Gives the memory of a page-aligned range back to the system. Afterwards it reads as zero.
    pub fn release(&self, addr: Addr, len: u64) {
        Arena::check(addr, len);
        // SAFETY: the range is inside our own anonymous mapping and page aligned; losing its content is the purpose.
        unsafe { libc::madvise(self.base.as_ptr().add(addr as usize).cast(), len as usize, libc::MADV_DONTNEED) };
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: unmaps exactly what `new` mapped; nothing refers to it any more.
        unsafe { libc::munmap(self.mapping.as_ptr().cast(), addresses::VMALLOC_END as usize + SLACK) };
    }
}
