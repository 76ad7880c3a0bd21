// SPDX-License-Identifier: GPL-2.0-only
//! Tenants: percpu allocators that a World can host, and what can be seen of their state.

mod bridge;
mod kernel_c;
mod state;

pub use kernel_c::{Judge, KernelC, Opened, ReleaseHook, boot_params};
pub use state::{Block, ChunkState, ChunkView, Globals, State, Touched};

use crate::program::Geometry;
use crate::world::gfp::Gfp;
use crate::world::kernel::Addr;

/// What boot made of a geometry; the Boot event is a digest of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Layout {
    /// `pcpu_base_addr`
    pub base_addr: Addr,
    /// Bytes of one unit.
    pub unit_size: u64,
    /// Alignment of vm areas in bytes.
    pub atom_size: u64,
    /// Units of a chunk, unused ones included.
    pub nr_units: u32,
    /// Chunk list slots.
    pub nr_slots: u32,
    /// CPUs with the lowest and the highest unit address.
    pub low_cpu: u32,
    /// See `low_cpu`.
    pub high_cpu: u32,
    /// CPU -> unit, -1 for a CPU that is not possible; 64 entries.
    pub unit_map: Vec<i32>,
    /// CPU -> offset of its unit from `base_addr` in bytes; 64 entries.
    pub unit_offsets: Vec<u64>,
    /// Offset of each group from `base_addr` in bytes.
    pub group_offsets: Vec<u64>,
    /// Size of each group in bytes.
    pub group_sizes: Vec<u64>,
}

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
