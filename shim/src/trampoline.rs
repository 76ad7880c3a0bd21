// SPDX-License-Identifier: GPL-2.0-only
//! The C side of a [`Host`]: one `extern "C"` function per service.
//!
//! A host call may never return: its stack is then abandoned. So nothing here owns heap memory across a call.

use std::cell::Cell;
use std::ffi::{CStr, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::abi::{self, percuss_diag, percuss_host, percuss_trace_alloc};
use crate::host::{Diag, Host};

thread_local! {
    /// The host of this thread, for an image that several threads call.
    static MINE: Cell<*mut c_void> = const { Cell::new(std::ptr::null_mut()) };
}

/// Makes `host` the one that calls from this thread reach, when an image is called by several; null: none. The one before
/// it is returned.
pub(crate) fn set_mine(host: *mut c_void) -> *mut c_void {
    MINE.replace(host)
}

/// Runs `f` on the host behind `ctx`, or on this thread's where that is null; a panic becomes [`Host::internal_panic`].
///
/// # Safety
/// `ctx` is the pointer to the `H` that [`table`] was given, alive and only ever borrowed shared; or null, and what
/// [`set_mine`] was given on this thread is such a pointer.
#[inline]
unsafe fn with<H: Host, R>(ctx: *mut c_void, f: impl FnOnce(&H) -> R) -> R {
    let ctx = if ctx.is_null() { MINE.get() } else { ctx };
    // SAFETY: the caller's promise.
    let host = unsafe { &*ctx.cast::<H>() };
    match catch_unwind(AssertUnwindSafe(|| f(host))) {
        Ok(result) => result,
        Err(payload) => report(host, payload),
    }
}

#[cold]
fn report<H: Host>(host: &H, payload: Box<dyn std::any::Any + Send>) -> ! {
    // The message moves to the stack, because the host never returns to free it.
    let mut buf = [0u8; 512];
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("panic");
    let mut len = text.len().min(buf.len());
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    buf[..len].copy_from_slice(&text.as_bytes()[..len]);
    drop(payload);
    host.internal_panic(str::from_utf8(&buf[..len]).unwrap_or("panic"))
}

/// A slice that C passes as pointer and length.
///
/// # Safety
/// `ptr` points to `len` elements that live and do not change as long as the result is used.
unsafe fn slice<'a, T>(ptr: *const T, len: u32) -> &'a [T] {
    if len == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(ptr, len as usize) }
}

macro_rules! services {
    ($($name:ident |$host:ident $(, $arg:ident: $ty:ty)*| $(-> $ret:ty)? $body:block)*) => {
        $(unsafe extern "C" fn $name<H: Host>(ctx: *mut c_void $(, $arg: $ty)*) $(-> $ret)? {
            let service = |$host: &H| $body;
            // SAFETY: the table pairs this function with a pointer to H.
            unsafe { with(ctx, service) }
        })*

        /// The table for a host. `ctx` must point to an `H` that outlives every call into the image.
        pub(crate) fn table<H: Host>(ctx: *mut H) -> percuss_host {
            percuss_host { ctx: ctx.cast(), $($name: Some($name::<H>),)* ..Default::default() }
        }
    };
}

services! {
    scopes |h| -> u32 { h.scopes() }
    scope_save |h, scope: u32| -> u32 { h.scope_save(scope) }
    scope_restore |h, scope: u32, old: u32| { h.scope_restore(scope, old) }
    cpu |h| -> u32 { h.cpu() }
    cpu_to_node |h, cpu: u32| -> u32 { h.cpu_to_node(cpu) }
    cond_resched |h| { h.cond_resched() }
    name_lock |h, addr: u64| -> u32 { h.name_lock(addr) }
    mutex_lock |h, lock: u32| { h.mutex_lock(lock) }
    mutex_lock_killable |h, lock: u32| -> i32 { if h.mutex_lock_killable(lock) { 0 } else { -4 } }
    mutex_unlock |h, lock: u32| { h.mutex_unlock(lock) }
    spin_lock |h, lock: u32, irq: u32| -> u64 { h.spin_lock(lock, irq) }
    spin_unlock |h, lock: u32, irq: u32, flags: u64, digest: u64| { h.spin_unlock(lock, irq, flags, digest) }
    is_held |h, lock: u32| -> i32 { h.is_held(lock) as i32 }
    kzalloc |h, size: u64, gfp: u32| -> u64 { h.kzalloc(size, gfp) }
    vmalloc |h, size: u64, gfp: u32| -> u64 { h.vmalloc(size, gfp) }
    kvfree |h, addr: u64| { h.kvfree(addr) }
    alloc_page |h, node: i32, gfp: u32| -> u32 { h.alloc_page(node, gfp).unwrap_or(abi::PERCUSS_NO_PFN) }
    free_page |h, pfn: u32| { h.free_page(pfn) }
    get_vm_areas |h, offsets: *const u64, sizes: *const u64, nr: u32, align: u64, gfp: u32, extra: u64,
                  base: *mut u64| -> u64 {
        // SAFETY: the image passes nr offsets and sizes that it does not change during the call.
        let (offsets, sizes) = unsafe { (slice(offsets, nr), slice(sizes, nr)) };
        match h.get_vm_areas(offsets, sizes, align, gfp, extra) {
            Some(areas) => {
                // SAFETY: the image passes a place for the base.
                unsafe { *base = areas.base };
                areas.handle
            }
            None => 0,
        }
    }
    free_vm_areas |h, handle: u64| { h.free_vm_areas(handle) }
    vm_area_early |h, size: u64, align: u64| -> u64 { h.vm_area_early(size, align) }
    map_pages |h, addr: u64, pfns: *const u32, nr: u32, gfp: u32| -> i32 {
        // SAFETY: the image passes nr frame numbers on its own stack.
        match h.map_pages(addr, unsafe { slice(pfns, nr) }, gfp) {
            Ok(()) => 0,
            Err(errno) => errno,
        }
    }
    unmap_pages |h, addr: u64, nr: u32| { h.unmap_pages(addr, nr) }
    populate_pte |h, addr: u64| { h.populate_pte(addr) }
    vmalloc_to_page |h, addr: u64| -> u32 { h.vmalloc_to_page(addr).unwrap_or(abi::PERCUSS_NO_PFN) }
    flush_cache |h, start: u64, end: u64, unmap: u32| { h.flush_cache(start, end, unmap != 0) }
    flush_tlb |h, start: u64, end: u64| { h.flush_tlb(start, end) }
    memblock_alloc |h, size: u64, align: u64, node: i32, kind: u32| -> u64 {
        h.memblock_alloc(size, align, u32::try_from(node).ok(), kind == 1)
    }
    memblock_free |h, addr: u64, size: u64| { h.memblock_free(addr, size) }
    schedule_work |h| { h.schedule_work() }
    memcg_current |h| -> u32 { h.memcg_current() }
    memcg_ref |h, objcg: u32, delta: i32| { h.memcg_ref(objcg, delta) }
    memcg_charge |h, objcg: u32, gfp: u32, bytes: u64| -> i32 {
        if h.memcg_charge(objcg, gfp, bytes) { 0 } else { -12 }
    }
    memcg_uncharge |h, objcg: u32, bytes: u64| { h.memcg_uncharge(objcg, bytes) }
    memcg_stat |h, objcg: u32, delta: i64| { h.memcg_stat(objcg, delta) }
    zero |h, addr: u64, len: u64| { h.zero(addr, len) }
    trace_alloc |h, t: *const percuss_trace_alloc| {
        // SAFETY: the image passes a record on its own stack.
        h.trace_alloc(unsafe { &*t })
    }
    trace_alloc_fail |h, reserved: u32, is_atomic: u32, size: u64, align: u64| {
        h.trace_alloc_fail(reserved != 0, is_atomic != 0, size, align)
    }
    trace_free |h, base_addr: u64, off: i32, ptr: u64| { h.trace_free(base_addr, off, ptr) }
    trace_create |h, base_addr: u64| { h.trace_create(base_addr) }
    trace_destroy |h, base_addr: u64| { h.trace_destroy(base_addr) }
    diag |h, d: *const percuss_diag| {
        // SAFETY: the image passes a record on its own stack, with a text that ends in NUL.
        let (d, text) = unsafe { (&*d, CStr::from_ptr((*d).text)) };
        let nargs = (d.nargs as usize).min(d.args.len());
        h.diag(&Diag {
            kind: d.kind,
            level: d.level,
            line: d.line,
            args: &d.args[..nargs],
            text: text.to_str().unwrap_or("(not UTF-8)"),
        })
    }
}
