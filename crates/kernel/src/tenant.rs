// SPDX-License-Identifier: GPL-2.0-only

use crate::gfp::Gfp;
use crate::{Addr, ChunkView, Geometry, Globals, Layout, State, Touched};

/// A percpu allocator on a World: the compiled one of a tree, or the Model.
///
/// Order of calls: `boot`, then `save` where it succeeded, then the ops of a program in any order and interleaving; the
/// next program on the same geometry starts with `restore`, one on another geometry with `boot`. All ops, and `boot`,
/// run on fibers: each calls the [`Kernel`](crate::Kernel) it was given, whose calls may switch to another fiber, where
/// the next op starts before this one has ended, or never return. So no method may hold a borrow of its own state
/// across a kernel call. The methods from `digest_all` on call no kernel function; they are called between two kernel
/// calls, and never between lock and unlock of pcpu_lock, so they find the state whole.
///
/// Addresses are relative to the arena; 0 is NULL. Sizes and alignments are in bytes, exactly as the caller in the
/// kernel would pass them: the tenant checks them as percpu.c does.
pub trait Tenant {
    /// Name for reports: `C` with the tree, or `Model`.
    ///
    /// Reports of lockstep put the two beside each other.
    fn name(&self) -> &str;
    /// Forgets everything, sets up the first chunk and enables async work. The error is the negative errno of the
    /// first-chunk builder, after which only another `boot` may follow.
    fn boot(&self, geometry: &Geometry) -> Result<Layout, i32>;
    /// `pcpu_alloc()`: the per-CPU pointer, or 0 when there is no memory or the request is invalid.
    fn alloc(&self, size: u64, align: u64, reserved: bool, gfp: Gfp) -> Addr;
    /// `free_percpu()`: NULL is ignored; any other pointer must be one that `alloc` returned and that was not freed
    /// since.
    fn free(&self, ptr: Addr);
    /// The body of the balance work item. The World calls it on the worker's lane when the work is queued.
    fn balance(&self);
    /// `__is_kernel_percpu_address()`: the canonical address, which is that of the boot CPU, when `addr` is in a static
    /// area.
    fn is_static(&self, addr: Addr) -> Option<Addr>;
    fn to_phys(&self, addr: Addr) -> u64;
    /// `pcpu_nr_pages()`: populated pages over all units.
    fn nr_pages(&self) -> u64;
    /// Calls a function of the tree that this trait has no method for. Arguments are addresses relative to the arena where
    /// the function takes a pointer, and plain numbers elsewhere; so is the result. A tenant without the function does
    /// nothing and returns 0.
    fn call(&self, _name: &str, _args: &[u64]) -> u64 {
        0
    }
    /// Digest of the whole state, as percuss_abi.h defines it: two tenants are compared by one number.
    fn digest_all(&self) -> u64;
    /// Copies globals and chunks into `out`, reusing its memory. [`Touched::Recent`] takes the chunks that were touched
    /// since it was last asked for, here or in `visit`, and forgets them.
    fn state(&self, which: Touched, out: &mut State);
    /// Shows globals and chunks in place, without copying maps.
    ///
    /// `see` must not call the tenant, whose state is borrowed meanwhile.
    fn visit(&self, which: Touched, see: &mut dyn FnMut(&Globals, &ChunkView<'_>));
    /// Remembers the state for `restore`. Called right after a boot, before any op.
    ///
    /// Restoring is much cheaper than booting, and a campaign does it before each program.
    fn save(&self);
    /// Back to the saved state, from wherever the last program ended; its suspended fibers are never resumed.
    fn restore(&self);
}
