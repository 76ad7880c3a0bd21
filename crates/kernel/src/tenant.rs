// SPDX-License-Identifier: GPL-2.0-only
//! What a World asks of a percpu allocator.

use crate::gfp::Gfp;
use crate::{Addr, ChunkView, Geometry, Globals, Layout, State, Touched};

/// A percpu allocator on a World. All calls but `boot` come from a fiber and may switch or not return.
pub trait Tenant {
    /// Name for reports: `C` with the tree, or `Model`.
    fn name(&self) -> &str;
    /// Sets up the first chunk and enables async work; the error is the builder's errno.
    fn boot(&self, geometry: &Geometry) -> Result<Layout, i32>;
    /// `pcpu_alloc`: per-CPU pointer or 0.
    fn alloc(&self, size: u64, align: u64, reserved: bool, gfp: Gfp) -> Addr;
    /// `free_percpu`
    fn free(&self, ptr: Addr);
    /// The body of the balance work item.
    fn balance(&self);
    /// `__is_kernel_percpu_address`: the canonical address when `addr` is in a static area.
    fn is_static(&self, addr: Addr) -> Option<Addr>;
    /// `per_cpu_ptr_to_phys`
    fn to_phys(&self, addr: Addr) -> u64;
    /// `pcpu_nr_pages`
    fn nr_pages(&self) -> u64;
    /// Digest of the whole state (defined in the ABI header).
    fn digest_all(&self) -> u64;
    /// Copies globals and either all chunks or those touched since the last call into `out`, reusing its memory.
    fn state(&self, which: Touched, out: &mut State);
    /// Looks at globals and chunks in place, without copying maps.
    fn visit(&self, which: Touched, see: &mut dyn FnMut(&Globals, &ChunkView<'_>));
    /// Remembers the state after boot.
    fn save(&self);
    /// Back to the saved state.
    fn restore(&self);
}
