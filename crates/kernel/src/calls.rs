// SPDX-License-Identifier: GPL-2.0-only
//! What a percpu allocator needs from a kernel: the one interface that both tenants call.
//!
//! The methods are the rows of [`for_each_service!`](crate::for_each_service); this file has the types they use.

use super::gfp::Gfp;

/// Address relative to the arena of the instance; 0 is NULL.
pub type Addr = u64;

/// Page frame number.
pub type Pfn = u32;

/// A lock a tenant may take.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Lock {
    /// `pcpu_lock`
    Pcpu,
    /// `pcpu_alloc_mutex`
    AllocMutex,
    /// Any other. Static ones come first, numbered in an order of the image's own that is the same in every program;
    /// from [`STATIC_OTHERS`] on follow those in allocated memory, numbered in order of first use.
    Other(u8),
}

/// Numbers of static locks.
pub const STATIC_OTHERS: u8 = 8;

/// How a spinlock call treats interrupts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Irq {
    /// `spin_lock`
    Keep,
    /// `spin_lock_irq`: off, and unconditionally on at unlock.
    Off,
    /// `spin_lock_irqsave`
    Save,
}

/// A gfp scope of `memalloc_*_save`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Scope {
    /// `PF_MEMALLOC_NOIO`
    Noio,
    /// `PF_MEMALLOC_NOFS`
    Nofs,
    /// `PF_MEMALLOC`
    Memalloc,
}

/// A message to the kernel log or a failed assertion; texts are for display and never compared.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Diag {
    /// printk at a level 0..=7
    Printk(u8),
    /// Continuation of a line.
    Cont,
    /// `WARN`, `WARN_ON` and their once forms.
    Warn,
    /// `dump_stack()`
    Stack,
    /// `BUG()`; does not return.
    Bug,
    /// `panic()`; does not return.
    Panic,
    /// A path that is not modelled; does not return.
    Loud,
}

/// The fields of `percpu_alloc_percpu`, call site left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TraceAlloc {
    /// From the reserved chunk.
    pub reserved: bool,
    /// The allocator took the caller for atomic.
    pub is_atomic: bool,
    /// log2 of the alignment in bytes, after rounding.
    pub align_shift: u8,
    /// Bytes, after rounding.
    pub size: u32,
    /// Bytes from the chunk's base.
    pub off: i32,
    /// `pcpu_obj_full_size()`: bytes over all CPUs and the object extension.
    pub bytes_alloc: u32,
    /// Base of the chunk.
    pub base_addr: Addr,
    /// The per-CPU pointer returned.
    pub ptr: Addr,
    /// The mask in force.
    pub gfp: Gfp,
}

/// The type in Rust of a kind of the table; `services.rs` lists them.
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
macro_rules! test_method {
    ($(#[doc = $doc:literal])* $name:ident($($arg:ident: $kind:ident),*) $(-> $ret:ident)? = $default:expr) => {
        $(#[doc = $doc])*
        #[inline]
        fn $name(&self $(, $arg: rust_type!($kind))*) $(-> rust_type!($ret))? {
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

        /// A kernel for tests, which implements the services that the test is about. The others give the answer of their
        /// row, so a new service with an answer breaks no test. The World is no `TestKernel`, because a service that it
        /// lacks has to be a compile error.
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
