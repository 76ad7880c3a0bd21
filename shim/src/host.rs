// SPDX-License-Identifier: GPL-2.0-only
//! What an image needs from the kernel around it.

use crate::abi;

/// A message of an image.
#[derive(Clone, Copy, Debug)]
pub struct Diag<'a> {
    /// `PERCUSS_DIAG_*`
    pub kind: u32,
    /// Kernel log level 0..=7, or -1 for the continuation of a line.
    pub level: i32,
    /// Source line, 0 when not known.
    pub line: u32,
    /// The integers among the message's arguments.
    pub args: &'a [u64],
    /// For display.
    pub text: &'a str,
}

/// Congruent vm areas.
#[derive(Clone, Copy, Debug)]
pub struct VmAreas {
    /// Zeroed memory for the image, and what [`Host::free_vm_areas`] gets back.
    pub handle: u64,
    /// Where a group at offset 0 stands.
    pub base: u64,
}

/// The kernel around an image: `struct percuss_host` with safe types. The header documents each call.
///
/// Methods are called on whatever stack called into the image and may never return. A method that panics ends in
/// [`Host::internal_panic`].
#[allow(missing_docs)] // named and documented in percuss_abi.h
pub trait Host {
    fn scopes(&self) -> u32;
    fn scope_save(&self, scope: u32) -> u32;
    fn scope_restore(&self, scope: u32, old: u32);
    fn cpu(&self) -> u32;
    fn cpu_to_node(&self, cpu: u32) -> u32;
    fn cond_resched(&self);

    /// Index of a lock in allocated memory among those.
    fn name_lock(&self, addr: u64) -> u32;
    fn mutex_lock(&self, lock: u32);
    /// False when a fatal signal ended the wait.
    fn mutex_lock_killable(&self, lock: u32) -> bool;
    fn mutex_unlock(&self, lock: u32);
    fn spin_lock(&self, lock: u32, irq: u32) -> u64;
    fn spin_unlock(&self, lock: u32, irq: u32, flags: u64, digest: u64);
    fn is_held(&self, lock: u32) -> bool;

    /// Address, or 0.
    fn kzalloc(&self, size: u64, gfp: u32) -> u64;
    /// Address, or 0.
    fn vmalloc(&self, size: u64, gfp: u32) -> u64;
    fn kvfree(&self, addr: u64);

    fn alloc_page(&self, node: i32, gfp: u32) -> Option<u32>;
    fn free_page(&self, pfn: u32);

    fn get_vm_areas(&self, offsets: &[u64], sizes: &[u64], align: u64, gfp: u32, extra: u64) -> Option<VmAreas>;
    fn free_vm_areas(&self, handle: u64);
    fn vm_area_early(&self, size: u64, align: u64) -> u64;

    /// The error is a negative errno.
    fn map_pages(&self, addr: u64, pfns: &[u32], gfp: u32) -> Result<(), i32>;
    fn unmap_pages(&self, addr: u64, nr: u32);
    fn populate_pte(&self, addr: u64);
    fn vmalloc_to_page(&self, addr: u64) -> Option<u32>;
    fn flush_cache(&self, start: u64, end: u64, unmap: bool);
    fn flush_tlb(&self, start: u64, end: u64);

    /// Address, or 0. `unit_area`: kind 1, asked for by `pcpu_fc_alloc`.
    fn memblock_alloc(&self, size: u64, align: u64, node: Option<u32>, unit_area: bool) -> u64;
    fn memblock_free(&self, addr: u64, size: u64);

    fn schedule_work(&self);

    fn memcg_current(&self) -> u32;
    fn memcg_ref(&self, objcg: u32, delta: i32);
    /// False when refused.
    fn memcg_charge(&self, objcg: u32, gfp: u32, bytes: u64) -> bool;
    fn memcg_uncharge(&self, objcg: u32, bytes: u64);
    fn memcg_stat(&self, objcg: u32, delta: i64);

    fn zero(&self, addr: u64, len: u64);

    fn trace_alloc(&self, t: &abi::percuss_trace_alloc);
    fn trace_alloc_fail(&self, reserved: bool, is_atomic: bool, size: u64, align: u64);
    fn trace_free(&self, base_addr: u64, off: i32, ptr: u64);
    fn trace_create(&self, base_addr: u64);
    fn trace_destroy(&self, base_addr: u64);

    /// Must not return for BUG, PANIC and LOUD.
    fn diag(&self, diag: &Diag<'_>);

    /// A method of this trait panicked: ends the program. Called instead of unwinding through C.
    fn internal_panic(&self, message: &str) -> !;
}
