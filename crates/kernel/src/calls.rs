// SPDX-License-Identifier: GPL-2.0-only
//! What a percpu allocator needs from a kernel: the one interface that both tenants call.
//!
//! The methods are the rows of [`for_each_service!`](crate::for_each_service); this file has the types they use.

use super::gfp::Gfp;

/// Address relative to the arena of the instance; 0 is NULL.
///
/// Absolute addresses differ between two instances and between two processes, so nothing that is compared may hold one.
pub type Addr = u64;

/// Page frame number, from 0 at the start of the linear mapping.
///
/// Frames are numbered through over all nodes; `mem_map` of the image has a `struct page` for each.
pub type Pfn = u32;

/// A lock that a tenant takes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Lock {
    Pcpu,
    AllocMutex,
    /// A lock that a patch adds. Static ones come first, in an order of the image's own that is the same in every
    /// program; from [`STATIC_OTHERS`] on follow those in allocated memory, in order of first use.
    Other(u8),
}

/// Numbers of [`Lock::Other`] that are for static locks. A static lock beyond them shares the last number: lock order
/// reports name it wrongly then, but no run differs from another.
pub const STATIC_OTHERS: u8 = 8;

/// How a spinlock call treats interrupts.
///
/// `pcpu_lock` is taken with interrupts off, since percpu memory may be freed in interrupt handlers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Irq {
    /// `spin_lock`: as they are.
    Keep,
    /// `spin_lock_irq`: off, and unconditionally on at unlock.
    Off,
    /// `spin_lock_irqsave`: off, and as they were at unlock.
    Save,
}

/// A gfp scope of `memalloc_*_save`, in the order of the bits of `PERCUSS_SCOPE_*`.
///
/// A scope takes flags out of every mask that its task passes, so that code below a lock need not be given a mask.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Scope {
    Noio,
    Nofs,
    Memalloc,
}

/// What kind of message it is. Kind and integers are compared between tenants; texts are for display, because the Model
/// has words of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Diag {
    /// `printk()` at a level of the kernel log, 0 (emergency) to 7 (debug).
    Printk(u8),
    Cont,
    Warn,
    Stack,
    /// `BUG()`; does not return.
    Bug,
    /// `panic()`; does not return.
    Panic,
    /// A service or a form of one that the shim does not model. It ends the program by name, because going on would
    /// report differences that are ours. Does not return.
    Loud,
}

/// The fields of the tracepoint `percpu_alloc_percpu`. The call site is left out: it is an address of code, and tenants
/// have none in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TraceAlloc {
    pub reserved: bool,
    pub is_atomic: bool,
    /// log2 of the alignment in bytes, after rounding. Alignments are powers of two, and a byte keeps [`Event`] small.
    ///
    /// [`Event`]: crate::event::Event
    pub align_shift: u8,
    pub size: u32,
    pub off: i32,
    /// `pcpu_obj_full_size()` in bytes: the copies of all CPUs and the array of memcg pointers of the area.
    pub bytes_alloc: u32,
    pub base_addr: Addr,
    pub ptr: Addr,
    /// The caller's mask after `current_gfp_context()`, as the tracepoint of the kernel shows it.
    pub gfp: Gfp,
}

/// The type in Rust of a kind of the table; `services.rs` lists them.
///
/// Only kinds whose name is not the type itself have an arm of their own.
macro_rules! rust_type {
    (Words) => { &[u64] };
    (Pfns) => { &[Pfn] };
    (Text) => { &str };
    (Node) => { u32 };
    (MaybePfn) => { Option<Pfn> };
    (Areas) => { Option<(Addr, Addr)> };
    ($kind:ident) => { $kind };
}

/// A method of [`TestKernel`]: with the row's answer for a body where it has one, else without.
///
/// A service without an answer in its row must be implemented by every kernel of a test.
macro_rules! test_method {
    ($(#[doc = $doc:literal])* $name:ident($($arg:ident: $kind:ident),*) $(-> $ret:ident)? = $default:expr) => {
        $(#[doc = $doc])*
        #[inline]
        fn $name(&self $(, $arg: rust_type!($kind))*) $(-> rust_type!($ret))? {
            // The names of the arguments are documentation of the trait, so they are not prefixed with an underscore.
            let _ = ($($arg,)*);
            $default
        }
    };
    ($(#[doc = $doc:literal])* $name:ident($($arg:ident: $kind:ident),*) $(-> $ret:ident)?) => {
        $(#[doc = $doc])*
        fn $name(&self $(, $arg: rust_type!($kind))*) $(-> rust_type!($ret))?;
    };
}

macro_rules! traits {
    (machine { $($machine:tt)* } services { $($service:tt)* }) => {
        traits! { $($machine)* $($service)* }
    };
    ($(
        $(#[doc = $doc:literal])* $([$($site:tt)*])?
        fn $name:ident($($arg:ident: $kind:ident),*) $(-> $ret:ident)? $(= $default:expr)?;
    )*) => {
        /// The kernel as a percpu allocator sees it; names follow the kernel functions that the methods stand for.
        ///
        /// A tenant calls these methods while one of its own ops runs, in the order in which percpu.c calls the kernel:
        /// the order is compared between tenants, event by event. Any call may switch to another task, which calls the
        /// same tenant again, and any call may never return, because the program ended: a tenant must hold no borrow of
        /// its own state and own no memory on its stack across a call. What comes back from a call is what the calling
        /// task would see in the kernel; what other tasks did meanwhile is already visible.
        ///
        /// Addresses are relative to the arena of the instance, so that they are the same for every tenant; 0 is NULL.
        /// Sizes and alignments are in bytes.
        pub trait Kernel {
            $($(#[doc = $doc])* fn $name(&self $(, $arg: rust_type!($kind))*) $(-> rust_type!($ret))?;)*
        }

        /// A kernel for tests, which implements the services that the test is about. The others give the answer of
        /// their row, so a new service with an answer breaks no test. The World is no `TestKernel`, because a service
        /// that it lacks has to be a compile error.
        pub trait TestKernel {
            $(test_method! { $(#[doc = $doc])* $name($($arg: $kind),*) $(-> $ret)? $(= $default)? })*
        }

        impl<T: TestKernel> Kernel for T {
            $(
                #[inline]
                fn $name(&self $(, $arg: rust_type!($kind))*) $(-> rust_type!($ret))? {
                    TestKernel::$name(self $(, $arg)*)
                }
            )*
        }
    };
}

crate::for_each_service!(traits);
