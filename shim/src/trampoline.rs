// SPDX-License-Identifier: GPL-2.0-only
//! The C side of a [`Host`]: one `extern "C"` function per row of the table of services.
//!
//! A host call may never return: its stack is then abandoned. So nothing here owns heap memory across a call.

use std::cell::Cell;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

use percuss_kernel::{Kernel as _, for_each_service};

use crate::abi::{self, percuss_host, percuss_services};
use crate::host::Host;
use crate::kinds::{self, kind};

thread_local! {
    /// The host of this thread, for an image that several threads call.
    static MINE: Cell<*mut c_void> = const { Cell::new(std::ptr::null_mut()) };
}

/// Makes `host` the one that calls from this thread reach while several threads call an image; null makes it none.
/// Returns the one before it.
pub(crate) fn set_mine(host: *mut c_void) -> *mut c_void {
    MINE.replace(host)
}

/// Runs `f` on the host that `ctx` points to, or on this thread's where `ctx` is null, which it is while several
/// threads call the image. A panic becomes [`Host::internal_panic`], because unwinding through frames of C is
/// undefined.
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

/// Runs before a service is called, where its row asks for it.
///
/// The release of pcpu_lock is the only service with more than a call site.
macro_rules! before {
    ($host:ident, [$($site:tt)*] spin_unlock($lock:ident, $($rest:ident),*)) => {
        if $lock == abi::PERCUSS_LOCK_PCPU {
            $host.before_release();
        }
        $host.note_site();
    };
    ($host:ident, [sites: $($site:tt)*] $name:ident($($arg:ident),*)) => {
        $host.note_site();
    };
    ($host:ident, [no site] $name:ident($($arg:ident),*)) => {};
}

macro_rules! result {
    ($base:ident, $call:expr) => { $call };
    ($base:ident, $call:expr, $ret:ident) => { kind!(out $ret, $base, $call) };
}

macro_rules! trampolines {
    (machine { $($machine:tt)* } services { $(
        $(#[doc = $doc:literal])* [$($site:tt)*]
        fn $name:ident($($arg:ident: $kind:ident),*) $(-> $ret:ident)? $(= $default:expr)?;
    )* }) => {
        $(unsafe extern "C" fn $name<H: Host>(ctx: *mut c_void $(, $arg: kind!(c $kind))*) $(-> kind!(c $ret))? {
            let service = |host: &H| {
                before!(host, [$($site)*] $name($($arg),*));
                // Not every service has an address to convert.
                let _base = host.base();
                result!(_base, host.kernel().$name($(kind!(in $kind, _base, $arg)),*) $(, $ret)?)
            };
            // SAFETY: the table pairs this function with a pointer to H.
            unsafe { with(ctx, service) }
        })*

        /// The table for a host. `ctx` must point to an `H` that outlives every call into the image.
        pub(crate) fn table<H: Host>(ctx: *mut H) -> percuss_host {
            let call = percuss_services { $($name: Some($name::<H>),)* };
            percuss_host { ctx: ctx.cast(), call, ..Default::default() }
        }
    };
}

for_each_service!(trampolines);
