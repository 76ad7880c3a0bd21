// SPDX-License-Identifier: GPL-2.0-only
//! An image tied to a host: a percpu allocator that can be booted and called.
//!
//! All calls of an image's functions are here, each with the reason why it is sound. Addresses are absolute throughout.

use std::cell::{RefCell, UnsafeCell};
use std::ffi::c_void;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use crate::abi::{self, percuss_chunk, percuss_host};
use crate::host::Host;
use crate::image::{Facts, Image};
use crate::trampoline;

// The records of the ABI, under the names that the calls below give them. The header documents their fields.
pub type Boot = abi::percuss_boot;
pub type Layout = abi::percuss_layout;
pub type Globals = abi::percuss_globals;

/// Where things are in the host's memory, as absolute addresses. All memory named must stay mapped as long as the
/// instance is called: the image reaches into it without asking.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arena {
    /// Array of struct page, [`Facts::page_struct_size`] bytes per frame, zeroed.
    pub mem_map: u64,
    pub linear: u64,
    pub linear_end: u64,
    pub vmalloc_start: u64,
    pub vmalloc_end: u64,
    /// The static per-CPU image, 4 KiB aligned.
    pub static_image: u64,
}

/// A place in the tree's source from which the image called a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallSite<'a> {
    pub function: &'a str,
    pub file: &'a str,
    pub line: u32,
}

/// A change of what pcpu_lock protects, made while it was free. It is known between which calls, not by which line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// Base of the chunk, absolute; 0 for a global.
    pub chunk: u64,
    pub field: &'a str,
    pub before: i64,
    pub after: i64,
    pub released: Option<CallSite<'a>>,
    pub taken: Option<CallSite<'a>>,
}

/// One chunk while a visitor looks at it.
///
/// Its arrays are the image's own and change when the image runs again, so nothing of it may be kept.
#[derive(Clone, Copy)]
pub struct Chunk<'a>(&'a percuss_chunk);

impl std::ops::Deref for Chunk<'_> {
    type Target = percuss_chunk;

    fn deref(&self) -> &percuss_chunk {
        self.0
    }
}

impl<'a> Chunk<'a> {
    /// Metadata of each block: scan_hint, scan_hint_start, contig_hint, contig_hint_start, left_free, right_free,
    /// first_free, nr_bits.
    pub fn blocks(&self) -> &'a [[i32; 8]] {
        // SAFETY: the image shows nr_blocks records of eight ints for the length of the visit.
        unsafe { std::slice::from_raw_parts(self.0.blocks.cast(), self.0.nr_blocks as usize) }
    }

    pub fn alloc_map(&self) -> &'a [u64] {
        self.words(self.0.alloc_map, self.0.alloc_map_bits)
    }

    /// Boundary map: one bit more than the allocation map, for the end of the last area.
    pub fn bound_map(&self) -> &'a [u64] {
        self.words(self.0.bound_map, self.0.alloc_map_bits + 1)
    }

    pub fn populated(&self) -> &'a [u64] {
        self.words(self.0.populated, self.0.nr_pages as u32)
    }

    fn words(&self, map: *const u64, bits: u32) -> &'a [u64] {
        // SAFETY: the image shows maps of that many bits, rounded up to words, for the length of the visit.
        unsafe { std::slice::from_raw_parts(map, bits.div_ceil(64) as usize) }
    }
}

/// An image with its host. Calls are made from one thread, but may nest: a host call can switch to another stack that
/// calls in again. Between [`Instance::open`] and [`Instance::close`] other threads may join.
pub struct Instance<H: Host> {
    table: Arc<Table>,
    // Raw because the image holds this pointer too.
    host: *mut H,
    saved: RefCell<Vec<u8>>,
    image: Arc<Image>,
    /// The host that this thread had before; a member's own.
    member: Option<*mut c_void>,
}

/// The host table, to which the image holds a pointer. It is shared, as threads that join use the same image.
struct Table(UnsafeCell<percuss_host>);

// SAFETY: it is changed only while one thread calls the image (before `open`, after `close`); the image itself changes
// `at` alone, atomically.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

/// What a thread needs to join those that call an image.
///
/// [`Instance::open`] makes it and [`Instance::join`] takes it. It keeps the image loaded.
pub struct Seat<H: Host> {
    table: Arc<Table>,
    image: Arc<Image>,
    host: PhantomData<fn(H)>,
}

impl<H: Host> Clone for Seat<H> {
    fn clone(&self) -> Seat<H> {
        Seat { table: Arc::clone(&self.table), image: Arc::clone(&self.image), host: PhantomData }
    }
}

macro_rules! function {
    ($self:ident.$name:ident) => {
        $self.image.raw().$name.expect(concat!("the image provides ", stringify!($name)))
    };
}

impl<H: Host> Instance<H> {
    /// Ties an image to a host. The image stays unbooted until [`Instance::boot`].
    ///
    /// # Safety
    /// From here on the addresses in `arena` and those that the host's methods return must be memory that the image
    /// may use as the ABI header says.
    pub unsafe fn new(image: Image, host: H, arena: Arena) -> Instance<H> {
        let host = Box::into_raw(Box::new(host));
        let table = Arc::new(Table(UnsafeCell::new(trampoline::table(host))));
        let mut instance = Instance { table, host, saved: RefCell::default(), image: Arc::new(image), member: None };
        // SAFETY: the caller's promise.
        unsafe { instance.set_arena(arena) };
        instance.attach();
        instance
    }

    fn attach(&self) {
        // SAFETY: the table lives as long as self, which owns the image.
        unsafe { function!(self.attach)(self.table.0.get()) }
    }

    /// Lets several threads call the image: from here on a host call reaches the host of the thread that makes it,
    /// which for this thread is [`Instance::host`].
    pub fn open(&self) -> Seat<H> {
        trampoline::set_mine(self.host.cast());
        // SAFETY: no other thread calls the image yet.
        let table = unsafe { &mut *self.table.0.get() };
        table.ctx = std::ptr::null_mut();
        table.threads = 1;
        Seat { table: Arc::clone(&self.table), image: Arc::clone(&self.image), host: PhantomData }
    }

    /// Ends [`Instance::open`].
    ///
    /// Members make no calls any more, and stacks that they left suspended inside the image are not resumed.
    pub fn close(&self) {
        trampoline::set_mine(std::ptr::null_mut());
        // SAFETY: no other thread calls the image any more.
        let table = unsafe { &mut *self.table.0.get() };
        table.ctx = self.host.cast();
        table.threads = 0;
    }

    /// Joins the threads that call an image: calls made from this thread reach `host`. A thread calls one such image at
    /// a time.
    ///
    /// # Safety
    /// As for [`Instance::new`], for the arena of the instance that the seat is from. Image code of several threads
    /// runs at once: the host must keep them apart where the kernel's locks do. Nothing is called after that instance
    /// was closed.
    pub unsafe fn join(seat: Seat<H>, host: H) -> Instance<H> {
        let host = Box::into_raw(Box::new(host));
        let member = Some(trampoline::set_mine(host.cast()));
        Instance { table: seat.table, host, saved: RefCell::default(), image: seat.image, member }
    }

    /// Changes where things are; only right before a boot.
    ///
    /// # Safety
    /// As for [`Instance::new`], from here on for the new arena.
    pub unsafe fn set_arena(&mut self, arena: Arena) {
        // SAFETY: no call into the image is active on this borrow's path, and the table is ours.
        let table = unsafe { &mut *self.table.0.get() };
        table.mem_map = arena.mem_map;
        table.linear = arena.linear;
        table.linear_end = arena.linear_end;
        table.vmalloc_start = arena.vmalloc_start;
        table.vmalloc_end = arena.vmalloc_end;
        table.static_image = arena.static_image;
    }

    /// Where the tree's code is that made the host call now running, or made the last one; None before the first.
    pub fn at(&self) -> Option<CallSite<'_>> {
        // SAFETY: the table is ours; the image only stores pointers to constants of its own there, which live as long
        // as it is loaded, and self owns it. The strings are literals.
        unsafe {
            let at = (&raw const (*self.table.0.get()).at).read().as_ref()?;
            let text = |s| std::ffi::CStr::from_ptr(s).to_str().unwrap_or_default();
            Some(CallSite { function: text(at.function), file: text(at.file), line: at.line })
        }
    }

    /// Compares what pcpu_lock protects each time that it is taken, or no longer.
    pub fn watch(&self, on: bool) {
        // SAFETY: no call into the image is active on this borrow's path, and the table is ours.
        unsafe { (&raw mut (*self.table.0.get()).watch).write(on.into()) }
    }

    /// Takes the first change of what pcpu_lock protects that was made while it was free.
    #[inline]
    pub fn take_change(&self) -> Option<Change<'_>> {
        // SAFETY: the table is ours. The image stores a pointer to a record of its own there, whose pointers are null
        // or to constants, which live as long as it is loaded, and self owns it; its strings are literals.
        unsafe {
            let slot = &raw mut (*self.table.0.get()).change;
            let change = slot.read().as_ref()?;
            slot.write(std::ptr::null());
            let text = |s| std::ffi::CStr::from_ptr(s).to_str().unwrap_or_default();
            let site = |at: *const abi::percuss_at| {
                at.as_ref().map(|at| CallSite { function: text(at.function), file: text(at.file), line: at.line })
            };
            Some(Change {
                chunk: change.chunk,
                field: text(change.field),
                before: change.before,
                after: change.after,
                released: site(change.released),
                taken: site(change.taken),
            })
        }
    }

    fn forget_change(&self) {
        // SAFETY: as in `watch`.
        unsafe { (&raw mut (*self.table.0.get()).change).write(std::ptr::null()) }
    }

    pub fn host(&self) -> &H {
        // SAFETY: made by Box::into_raw, freed in drop, only ever borrowed shared.
        unsafe { &*self.host }
    }

    pub fn facts(&self) -> &Facts {
        self.image.facts()
    }

    pub fn image(&self) -> &Image {
        &self.image
    }

    /// Sets up the first chunk. Once per [`Instance::reset`].
    ///
    /// # Errors
    /// The negative errno of the function that builds the first chunk.
    pub fn boot(&self, boot: &Boot) -> Result<Layout, i32> {
        let mut layout = Layout::default();
        // SAFETY: attached; both records live during the call.
        match unsafe { function!(self.boot)(boot, &mut layout) } {
            0 => Ok(layout),
            errno => Err(errno),
        }
    }

    pub fn alloc(&self, size: u64, align: u64, reserved: bool, gfp: u32) -> u64 {
        // SAFETY: attached; percpu.c checks sizes and alignment itself.
        unsafe { function!(self.alloc)(size, align, reserved as u32, gfp) }
    }

    /// `free_percpu`. An address that is not allocated does what it does in the kernel, a crash included.
    pub fn free(&self, ptr: u64) {
        // SAFETY: attached; see above.
        unsafe { function!(self.free)(ptr) }
    }

    pub fn balance(&self) {
        // SAFETY: attached.
        unsafe { function!(self.balance)() }
    }

    /// `__is_kernel_percpu_address`: the canonical address when `addr` is in a static area.
    pub fn is_static(&self, addr: u64) -> Option<u64> {
        let mut can = 0;
        // SAFETY: attached; the image only compares addresses.
        let is = unsafe { function!(self.is_static)(addr, &mut can) };
        (is != 0).then_some(can)
    }

    pub fn to_phys(&self, addr: u64) -> u64 {
        // SAFETY: attached; an address of no chunk does what it does in the kernel.
        unsafe { function!(self.to_phys)(addr) }
    }

    /// Calls a function by its name; None when the image was not compiled with it. `relative` and `absolute` turn
    /// pointers into what programs hold, and back.
    pub fn call(
        &self,
        name: &str,
        args: &[u64],
        absolute: impl Fn(u64) -> u64,
        relative: impl Fn(u64) -> u64,
    ) -> Option<u64> {
        let call = self.image.calls().iter().find(|call| call.name() == name)?;
        let mut all = [0; 32];
        for (i, (to, arg)) in all.iter_mut().zip(args).enumerate() {
            *to = if call.0.pointers >> i & 1 != 0 { absolute(*arg) } else { *arg };
        }
        // SAFETY: attached; the function reads as many of the arguments as it has, of which there are fewer than 32. What
        // it does with them is what it does in the kernel.
        let result = unsafe { call.0.function.expect("every call has a function")(all.as_ptr()) };
        Some(if call.0.pointers & abi::PERCUSS_CALL_RETURNS != 0 { relative(result) } else { result })
    }

    pub fn nr_pages(&self) -> u64 {
        // SAFETY: attached.
        unsafe { function!(self.nr_pages)() }
    }

    pub fn globals(&self) -> Globals {
        let mut out = Globals::default();
        // SAFETY: attached; `out` lives during the call.
        unsafe { function!(self.globals)(&mut out) };
        out
    }

    /// Shows every chunk that can be reached, list by list, then the reserved chunk. Not while a stack is suspended
    /// between lock and unlock of pcpu_lock.
    pub fn visit_all(&self, mut f: impl FnMut(Chunk<'_>)) {
        visit(&mut f, |fun, ctx| {
            // SAFETY: attached; `ctx` is what `fun` expects.
            unsafe { function!(self.visit_all)(Some(fun), ctx) }
        });
    }

    /// Shows the chunks touched since the last call, then forgets them.
    ///
    /// Condition as for [`Instance::visit_all`].
    pub fn visit_touched(&self, mut f: impl FnMut(Chunk<'_>)) {
        visit(&mut f, |fun, ctx| {
            // SAFETY: attached; `ctx` is what `fun` expects.
            unsafe { function!(self.visit_touched)(Some(fun), ctx) }
        });
    }

    /// Digest of the whole state. Condition as for [`Instance::visit_all`].
    pub fn digest_all(&self) -> u64 {
        // SAFETY: attached.
        unsafe { function!(self.digest_all)() }
    }

    /// The text of debugfs percpu_stats; None when the tree has no such text, or an image without its code.
    ///
    /// Condition as for [`Instance::visit_all`]. `areas` is at least the number of areas in the fullest chunk.
    pub fn stats(&self, areas: u32) -> Option<String> {
        // An int for each area and for each gap before one, and one more.
        let mut scratch = vec![0_i32; 2 * areas as usize + 1];
        let scratch_size = size_of_val(&scratch[..]) as u64;
        let mut text = vec![0_u8; 16 << 10];
        loop {
            let (at, size) = (text.as_mut_ptr().cast(), text.len() as u64);
            // SAFETY: attached; both buffers live during the call and are as long as it says.
            let len = unsafe { function!(self.stats)(at, size, scratch.as_mut_ptr().cast(), scratch_size) };
            let len = usize::try_from(len).ok()?;
            if len < text.len() {
                text.truncate(len);
                return Some(String::from_utf8_lossy(&text).into_owned());
            }
            text.resize(len + 1, 0);
        }
    }

    /// Remembers the image's state, for [`Instance::restore`].
    ///
    /// Only the writable memory of the image is copied. The host must put back its own memory at a restore.
    pub fn save(&self) {
        self.image.save(&mut self.saved.borrow_mut());
    }

    /// Back to the state of the last [`Instance::save`]. Stacks suspended inside the image are abandoned by this: they
    /// must not be resumed.
    pub fn restore(&self) {
        // A program that was stopped may have left one that no report took.
        self.forget_change();
        self.image.restore(&self.saved.borrow());
    }

    /// Back to the unbooted state, with the host attached. [`Instance::boot`] has to be next, and suspended stacks must
    /// not be resumed.
    pub fn reset(&self) {
        self.forget_change();
        self.image.restore_pristine();
        // The pristine state is from before the image got its table.
        self.attach();
    }
}

impl<H: Host> Drop for Instance<H> {
    fn drop(&mut self) {
        if let Some(before) = self.member {
            trampoline::set_mine(before);
        }
        // SAFETY: made by Box::into_raw, and no call into the image that reaches it is active any more.
        drop(unsafe { Box::from_raw(self.host) });
    }
}

struct Visitor<'a> {
    f: &'a mut dyn FnMut(Chunk<'_>),
    panic: Option<Box<dyn std::any::Any + Send>>,
}

type VisitFn = unsafe extern "C" fn(*mut c_void, *const percuss_chunk);

/// Calls `go` with a C callback around `f`.
///
/// A panic of `f` is carried over the C frames, which must not be unwound through.
fn visit(f: &mut dyn FnMut(Chunk<'_>), go: impl FnOnce(VisitFn, *mut c_void)) {
    let mut visitor = Visitor { f, panic: None };
    go(visit_one, (&raw mut visitor).cast());
    if let Some(payload) = visitor.panic {
        resume_unwind(payload);
    }
}

unsafe extern "C" fn visit_one(ctx: *mut c_void, chunk: *const percuss_chunk) {
    // SAFETY: visit() passes its Visitor, and the image a record that lives during the call.
    let (visitor, chunk) = unsafe { (&mut *ctx.cast::<Visitor<'_>>(), &*chunk) };
    // The image goes on to its last chunk; after a panic the rest is skipped.
    if visitor.panic.is_none() {
        let f = &mut visitor.f;
        visitor.panic = catch_unwind(AssertUnwindSafe(|| f(Chunk(chunk)))).err();
    }
}
