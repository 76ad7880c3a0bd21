// SPDX-License-Identifier: GPL-2.0-only
//! How arguments and results cross between C and the [`Kernel`](percuss_kernel::Kernel) trait: one conversion per kind.
//!
//! `kind!(c K)` is the type of kind `K` in C as bindgen writes it, `kind!(in K, base, x)` converts an argument and
//! `kind!(out K, base, x)` a result. `base` is the absolute address of relative address 0. `services.rs` in
//! percuss-kernel says what each kind means. A wrong type here does not compile: the functions go into the struct that
//! bindgen makes of the generated header.

use std::ffi::{CStr, c_char};

use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Addr, Diag, Irq, Lock, STATIC_OTHERS, Scope, TraceAlloc};

use crate::abi;

macro_rules! kind {
    (c bool) => { u32 };
    (in bool, $base:expr, $x:expr) => { $x != 0 };
    (out bool, $base:expr, $x:expr) => { u32::from($x) };

    (c Addr) => { u64 };
    (in Addr, $base:expr, $x:expr) => { kinds::relative($base, $x) };
    (out Addr, $base:expr, $x:expr) => { kinds::absolute($base, $x) };

    (c Pfn) => { u32 };
    (in Pfn, $base:expr, $x:expr) => { $x };

    (c MaybePfn) => { u32 };
    (out MaybePfn, $base:expr, $x:expr) => { $x.unwrap_or(abi::PERCUSS_NO_PFN) };

    (c Node) => { i32 };
    (in Node, $base:expr, $x:expr) => { $x.max(0) as u32 };

    (c Gfp) => { u32 };
    (in Gfp, $base:expr, $x:expr) => { percuss_kernel::gfp::Gfp($x) };

    (c Lock) => { u32 };
    (in Lock, $base:expr, $x:expr) => { kinds::lock($x) };

    (c Irq) => { u32 };
    (in Irq, $base:expr, $x:expr) => { kinds::irq($x) };

    (c Scope) => { u32 };
    (in Scope, $base:expr, $x:expr) => { kinds::scope($x) };

    (c Diag) => { u32 };
    (in Diag, $base:expr, $x:expr) => { kinds::diag($x) };

    (c Words) => { abi::percuss_words };
    // SAFETY: the image passes a pointer to that many words, which it does not change during the call.
    (in Words, $base:expr, $x:expr) => { unsafe { kinds::slice($x.at, $x.nr) } };

    (c Pfns) => { abi::percuss_pfns };
    // SAFETY: as for words.
    (in Pfns, $base:expr, $x:expr) => { unsafe { kinds::slice($x.at, $x.nr) } };

    (c Text) => { *const std::ffi::c_char };
    // SAFETY: the image passes a string that ends in NUL and does not change during the call.
    (in Text, $base:expr, $x:expr) => { unsafe { kinds::text($x) } };

    (c TraceAlloc) => { *const abi::percuss_trace_alloc };
    // SAFETY: the image passes a record on its own stack.
    (in TraceAlloc, $base:expr, $x:expr) => { kinds::trace_alloc($base, unsafe { &*$x }) };

    (c Areas) => { abi::percuss_areas };
    (out Areas, $base:expr, $x:expr) => { kinds::areas($base, $x) };

    // Numbers are the same on both sides.
    (c $number:ident) => { $number };
    (in $number:ident, $base:expr, $x:expr) => { $x };
    (out $number:ident, $base:expr, $x:expr) => { $x };
}
pub(crate) use kind;

/// Relative address; NULL stays NULL, and what is not in the arena becomes an address outside it.
#[inline]
pub fn relative(base: u64, addr: u64) -> Addr {
    if addr == 0 { 0 } else { addr.wrapping_sub(base) }
}

/// Absolute address; NULL stays NULL.
#[inline]
pub fn absolute(base: u64, addr: Addr) -> u64 {
    if addr == 0 { 0 } else { addr.wrapping_add(base) }
}

const _: () = assert!(abi::PERCUSS_STATIC_LOCKS == STATIC_OTHERS as u32);

#[inline]
pub(crate) fn lock(n: u32) -> Lock {
    match n {
        abi::PERCUSS_LOCK_PCPU => Lock::Pcpu,
        abi::PERCUSS_LOCK_ALLOC_MUTEX => Lock::AllocMutex,
        n => Lock::Other(n.saturating_sub(abi::PERCUSS_LOCK_OTHER) as u8),
    }
}

#[inline]
pub(crate) fn irq(n: u32) -> Irq {
    match n {
        abi::PERCUSS_IRQ_NONE => Irq::Keep,
        abi::PERCUSS_IRQ_OFF => Irq::Off,
        _ => Irq::Save,
    }
}

// The mask of `Kernel::scopes` crosses as a plain number, so the order of scopes has to be the order of the bits.
const _: () = assert!(
    1 << Scope::Noio as u32 == abi::PERCUSS_SCOPE_NOIO
        && 1 << Scope::Nofs as u32 == abi::PERCUSS_SCOPE_NOFS
        && 1 << Scope::Memalloc as u32 == abi::PERCUSS_SCOPE_MEMALLOC
);

#[inline]
pub(crate) fn scope(bit: u32) -> Scope {
    match bit {
        abi::PERCUSS_SCOPE_NOIO => Scope::Noio,
        abi::PERCUSS_SCOPE_NOFS => Scope::Nofs,
        _ => Scope::Memalloc,
    }
}

pub(crate) fn diag(n: u32) -> Diag {
    match n {
        abi::PERCUSS_DIAG_CONT => Diag::Cont,
        abi::PERCUSS_DIAG_WARN => Diag::Warn,
        abi::PERCUSS_DIAG_STACK => Diag::Stack,
        abi::PERCUSS_DIAG_BUG => Diag::Bug,
        abi::PERCUSS_DIAG_PANIC => Diag::Panic,
        level if level < abi::PERCUSS_DIAG_CONT => Diag::Printk(level as u8),
        _ => Diag::Loud,
    }
}

/// # Safety
/// `ptr` points to `len` elements that live and do not change as long as the result is used. It may be null or dangle
/// when `len` is 0, which is what C has for an empty array.
#[inline]
pub(crate) unsafe fn slice<'a, T>(ptr: *const T, len: u64) -> &'a [T] {
    if len == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(ptr, len as usize) }
}

/// # Safety
/// `ptr` points to a string that ends in NUL, and that lives and does not change as long as the result is used.
pub(crate) unsafe fn text<'a>(ptr: *const c_char) -> &'a str {
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(ptr) }.to_str().unwrap_or("(not UTF-8)")
}

pub(crate) fn trace_alloc(base: u64, t: &abi::percuss_trace_alloc) -> TraceAlloc {
    TraceAlloc {
        reserved: t.reserved != 0,
        is_atomic: t.is_atomic != 0,
        align_shift: t.align.trailing_zeros() as u8,
        size: t.size as u32,
        off: t.off,
        bytes_alloc: t.bytes_alloc as u32,
        base_addr: relative(base, t.base_addr),
        ptr: relative(base, t.ptr),
        gfp: Gfp(t.gfp as u32),
    }
}

#[inline]
pub(crate) fn areas(base: u64, areas: Option<(Addr, Addr)>) -> abi::percuss_areas {
    let (handle, at) = areas.unwrap_or_default();
    abi::percuss_areas { handle: absolute(base, handle), base: absolute(base, at) }
}
