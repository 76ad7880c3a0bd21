// SPDX-License-Identifier: GPL-2.0-only
//! The Model as a tenant.

use std::cell::{Cell, RefCell};

use super::bitmap::cpus;
use super::core::{Core, Place};
use super::facts::Facts;
use super::felt::Felt;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Addr, ChunkView, Geometry, Globals, Irq, Kernel, Layout, Lock, Scope, State, Tenant, Touched};
use percuss_kernel::{Quirk, Quirks};

/// A percpu allocator on a [`Kernel`], the same as the C one of the tree whose [`Facts`] and [`Quirks`] it is given.
#[derive(Debug)]
pub struct Allocator<K: Kernel> {
    kernel: K,
    facts: Facts,
    quirks: Quirks,
    core: RefCell<Core>,
    felt: Cell<Felt>,
}

impl<K: Kernel> Allocator<K> {
    /// An allocator before boot.
    ///
    /// # Panics
    ///
    /// When the facts are not [`Facts::supported`].
    pub fn new(kernel: K, facts: Facts, quirks: Quirks) -> Allocator<K> {
        assert!(facts.supported(), "the Model cannot follow an image with {facts:?}");
        let mut core = Core { facts, quirks, ..Core::default() };
        core.clear();
        Allocator { kernel, facts, quirks, core: RefCell::new(core), felt: Cell::default() }
    }

    /// The kernel the allocator runs on. Tests make it fail and count what it was asked for through this.
    pub fn kernel(&self) -> &K {
        &self.kernel
    }

    pub fn facts(&self) -> Facts {
        self.facts
    }

    pub fn quirks(&self) -> Quirks {
        self.quirks
    }

    /// Which quirks of masks made a difference since [`Allocator::forget_felt`]. When one did not, a run without it
    /// need not be made.
    pub fn felt(&self) -> Felt {
        self.felt.get()
    }

    pub fn forget_felt(&self) {
        self.felt.set(Felt::default());
    }

    /// The mask that a call gets which by B04 ignores `gfp`. That the quirk made a difference is noted whether the tree
    /// has it or not, so one run tells for both.
    pub(super) fn mask_b04(&self, gfp: Gfp) -> Gfp {
        self.felt.set(Felt { b04: self.felt.get().b04 || gfp != Gfp::KERNEL, ..self.felt.get() });
        if self.quirks.has(Quirk::B04) { Gfp::KERNEL } else { gfp }
    }

    pub(super) fn mask_b05(&self, gfp: Gfp) -> Gfp {
        self.feel_b05(gfp != Gfp::KERNEL);
        if self.quirks.has(Quirk::B05) { Gfp::KERNEL } else { gfp }
    }

    /// The scope of a call that by B05 is made outside of one.
    pub(super) fn scope_b05(&self, scope: Option<Scope>) -> Option<Scope> {
        self.feel_b05(scope.is_some());
        if self.quirks.has(Quirk::B05) { None } else { scope }
    }

    fn feel_b05(&self, differs: bool) {
        self.felt.set(Felt { b05: self.felt.get().b05 || differs, ..self.felt.get() });
    }

    /// Takes other quirks from now on. The state stays as it is; boot again for a run that is like one of the other
    /// tree from its start.
    pub fn set_quirks(&mut self, quirks: Quirks) {
        self.quirks = quirks;
        self.core.get_mut().quirks = quirks;
    }

    /// A step on the state; `f` must call no kernel function. One could switch to a task that enters the allocator
    /// again, and the borrow would panic there.
    #[inline]
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut Core) -> R) -> R {
        f(&mut self.core.borrow_mut())
    }

    /// A look at the state; `f` must call no kernel function.
    #[inline]
    pub(super) fn look<R>(&self, f: impl FnOnce(&Core) -> R) -> R {
        f(&self.core.borrow())
    }

    #[inline]
    pub(super) fn possible(&self) -> u64 {
        self.look(|core| core.place.possible)
    }

    /// Releases pcpu_lock with the digest of what changed. The digest is taken first: once the lock is free another
    /// task may change the state.
    pub(super) fn unlock(&self, irq: Irq, flags: u64) {
        let digest = self.with(Core::release_digest);
        self.kernel.spin_unlock(Lock::Pcpu, irq, flags, digest);
    }

    /// Queues the balance work, once boot is over (`pcpu_schedule_balance_work`). Before that there is no workqueue to
    /// put it on.
    pub(super) fn schedule_balance(&self) {
        if self.look(|core| core.count.async_enabled) {
            self.kernel.schedule_work();
        }
    }
}

impl Place {
    /// The per-CPU pointer of an address relative to unit offset 0 (`__addr_to_pcpu_ptr`). Pointers are in terms of the
    /// static image, so that static and dynamic variables take the same CPU offset.
    pub fn to_ptr(&self, addr: Addr) -> Addr {
        addr.wrapping_sub(self.base).wrapping_add(self.static_image)
    }

    /// The way back (`__pcpu_ptr_to_addr`).
    pub fn unit_addr(&self, ptr: Addr) -> Addr {
        ptr.wrapping_add(self.base).wrapping_sub(self.static_image)
    }

    /// `__is_kernel_percpu_address`, with the lowest possible CPU as the boot CPU.
    fn canonical(&self, addr: Addr) -> Option<Addr> {
        let start = |cpu: u32| self.page_addr(self.base, cpu, 0);
        let boot_cpu = self.possible.trailing_zeros();
        cpus(self.possible)
            .map(|cpu| addr.wrapping_sub(start(cpu)))
            .find(|&off| off < self.static_size)
            .map(|off| start(boot_cpu) + off)
    }
}

impl<K: Kernel> Tenant for Allocator<K> {
    fn name(&self) -> &str {
        "Model"
    }

    fn boot(&self, geometry: &Geometry) -> Result<Layout, i32> {
        // An allocator may boot again; what the last machine left is dropped first.
        self.with(Core::clear);
        self.build_first_chunk(geometry)?;
        Ok(self.with(|core| {
            // The World boots to the point after initcalls: work may be queued from here on.
            core.count.async_enabled = true;
            core.forget_changes();
            core.place.layout()
        }))
    }

    fn alloc(&self, size: u64, align: u64, reserved: bool, gfp: Gfp) -> Addr {
        self.allocate(size, align, reserved, gfp)
    }

    fn free(&self, ptr: Addr) {
        self.release(ptr);
    }

    fn balance(&self) {
        self.balance_work();
    }

    fn is_static(&self, addr: Addr) -> Option<Addr> {
        self.look(|core| core.place.canonical(addr))
    }

    fn to_phys(&self, addr: Addr) -> u64 {
        self.phys(addr)
    }

    fn nr_pages(&self) -> u64 {
        self.look(|core| core.count.nr_populated * core.place.nr_units as u64)
    }

    fn digest_all(&self) -> u64 {
        self.look(Core::whole_digest)
    }

    fn state(&self, which: Touched, out: &mut State) {
        self.with(|core| core.copy_state(which, out));
    }

    fn visit(&self, which: Touched, see: &mut dyn FnMut(&Globals, &ChunkView<'_>)) {
        self.with(|core| core.visit(which, see));
    }

    fn save(&self) {
        self.with(Core::save);
    }

    fn restore(&self) {
        self.with(Core::restore);
    }
}
