// SPDX-License-Identifier: GPL-2.0-only
//! `KernelC`: the percpu allocator of a tree, compiled into an image.
//!
//! Most methods only convert addresses. What the allocator checks and returns passes through unchanged, as any
//! correction here would hide a difference between the tree and the Model.

use std::fmt;
use std::rc::Rc;

use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Addr, ChunkState, ChunkView, Geometry, Globals, Layout, State, Tenant, Touched};
use percuss_shim as shim;
use percuss_world::Host;
use percuss_world::arena::addresses;
use shim::Host as _;

use super::bridge::{Bridge, Judge, ReleaseHook};
use super::records::{self, boot_params};

type Instance = shim::Instance<Bridge>;

/// An image on a World. All that is known of the tree's allocator passes through here: its calls reach the World
/// through the bridge, and its state is shown as the vocabulary of percuss-kernel has it.
pub struct KernelC {
    name: String,
    instance: Rc<Instance>,
    hook: Rc<ReleaseHook>,
}

impl fmt::Debug for KernelC {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KernelC({})", self.name)
    }
}

/// An image that threads may join: see [`KernelC::open`].
///
/// It can be cloned and sent to the threads; each makes a tenant of its own from it with [`KernelC::join`].
#[derive(Clone)]
pub struct Opened {
    name: String,
    base: u64,
    seat: shim::Seat<Bridge>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({})", self.name)
    }
}

impl KernelC {
    /// Ties an image to a World. It stays unbooted until [`Tenant::boot`].
    ///
    /// `name` is for reports, such as `C` with the name of the tree.
    pub fn new(image: shim::Image, world: Host, name: String) -> KernelC {
        let bridge = Bridge::new(world);
        let arena = bridge.arena();
        // SAFETY: the bridge hands out addresses of the World's arena only, which is one mapping that lives as long as
        // the World, which the bridge owns a share of; nothing but the image keeps data in the ranges handed to it.
        KernelC::of(name, unsafe { Instance::new(image, bridge, arena) })
    }

    fn of(name: String, instance: Instance) -> KernelC {
        let instance = Rc::new(instance);
        let hook = Rc::new(ReleaseHook::new(Rc::downgrade(&instance)));
        KernelC { name, instance, hook }
    }

    /// Lets other threads call the image too, until [`KernelC::close`].
    ///
    /// Services called by a thread then reach the World through the tenant of that thread.
    pub fn open(&self) -> Opened {
        Opened { name: self.name.clone(), base: self.bridge().base(), seat: self.instance.open() }
    }

    /// Ends [`KernelC::open`]. The threads that joined must make no call from here on.
    pub fn close(&self) {
        self.instance.close();
    }

    /// The image as a thread that joins sees it; `world` is its way to the World of the image.
    pub fn join(opened: &Opened, world: Host) -> KernelC {
        let bridge = Bridge::at_base(opened.base, world);
        // SAFETY: the arena is the opening instance's. A thread has the World while it is in a call that touches what
        // threads share, and the World lets one thread at a time through a lock. Threads that join are run by
        // run_free(), which closes the instance when all of them are done, and resumes no fiber of theirs after that.
        KernelC::of(opened.name.clone(), unsafe { Instance::join(opened.seat.clone(), bridge) })
    }

    /// Shows touched chunks to `judge` at every release of pcpu_lock from now on, or no longer (None). At a release the
    /// state is whole, however deep in an op it is; by the end of the op a fault may be repaired again. While the lock is
    /// free the state must not change, so it is compared when the lock is taken next.
    pub fn watch_releases(&self, judge: Option<Rc<Judge>>) {
        // Without a judge the bridge has no hook, and a release costs one look at a cell.
        let hook = judge.is_some().then(|| self.hook.clone());
        self.instance.watch(judge.is_some());
        self.hook.set_judge(judge);
        self.bridge().hook.set(hook);
    }

    /// Records which line of the tree each event comes from, or no longer. Off as a rule, because it takes longer than
    /// most of the calls themselves.
    pub fn record_sites(&self, on: bool) {
        *self.bridge().sites.borrow_mut() = on.then(|| Rc::downgrade(&self.instance));
        // The last site would otherwise be given to events that follow while nothing is recorded.
        self.bridge().world.world_mut().set_site(None);
    }

    /// Which parts of the image libFuzzer sees.
    ///
    /// A fuzz target asks, to notice an image that was compiled without instrumentation.
    pub fn coverage(&self) -> shim::Coverage {
        self.instance.image().coverage()
    }

    /// The text of debugfs percpu_stats, by the tree's own code; None when the tree has none. Like the state, it may be
    /// asked for whenever no call is between lock and unlock of pcpu_lock.
    pub fn stats(&self) -> Option<String> {
        let mut areas = 0;
        self.visit(Touched::All, &mut |_, c| areas = areas.max(c.head.nr_alloc));
        self.instance.stats(areas.try_into().unwrap_or(0))
    }

    /// How often each counted part of the image ran; nothing for an image that does not count.
    pub fn counts(&self) -> Vec<u64> {
        self.instance.image().counts()
    }

    pub fn forget_counts(&self) {
        self.instance.image().forget_counts();
    }

    fn bridge(&self) -> &Bridge {
        self.instance.host()
    }
}

impl Tenant for KernelC {
    fn name(&self) -> &str {
        &self.name
    }

    fn boot(&self, geometry: &Geometry) -> Result<Layout, i32> {
        // The statics of an earlier boot would otherwise be taken for those of this one.
        self.instance.reset();
        let l = self.instance.boot(&boot_params(geometry))?;
        let groups = l.nr_groups as usize;
        Ok(Layout {
            base_addr: self.bridge().rel(l.base_addr),
            unit_size: l.unit_size,
            atom_size: l.atom_size,
            nr_units: l.nr_units,
            nr_slots: l.nr_slots,
            low_cpu: l.low_cpu,
            high_cpu: l.high_cpu,
            unit_map: l.unit_map.to_vec(),
            unit_offsets: l.unit_offsets.to_vec(),
            // The record has room for the most groups; only the first `nr_groups` are filled.
            group_offsets: l.group_offsets[..groups].to_vec(),
            group_sizes: l.group_sizes[..groups].to_vec(),
        })
    }

    fn alloc(&self, size: u64, align: u64, reserved: bool, gfp: Gfp) -> Addr {
        self.bridge().rel(self.instance.alloc(size, align, reserved, gfp.0))
    }

    fn free(&self, ptr: Addr) {
        self.instance.free(self.bridge().abs(ptr));
    }

    fn balance(&self) {
        self.instance.balance();
    }

    fn is_static(&self, addr: Addr) -> Option<Addr> {
        self.instance.is_static(self.bridge().abs(addr)).map(|can| self.bridge().rel(can))
    }

    fn to_phys(&self, addr: Addr) -> u64 {
        self.instance.to_phys(self.bridge().abs(addr))
    }

    fn nr_pages(&self) -> u64 {
        self.instance.nr_pages()
    }

    fn call(&self, name: &str, args: &[u64]) -> u64 {
        let bridge = self.bridge();
        // A pointer to anything else than the World's memory differs from run to run: a program may know that there is
        // one, and no more.
        let relative = |addr| match bridge.rel(addr) {
            rel if rel < addresses::VMALLOC_END => rel,
            _ => u64::MAX,
        };
        self.instance.call(name, args, |addr| bridge.abs(addr), relative).unwrap_or(0)
    }

    fn digest_all(&self) -> u64 {
        self.instance.digest_all()
    }

    fn state(&self, which: Touched, out: &mut State) {
        // The chunks of an earlier state stay for their vectors.
        out.used = 0;
        out.globals = records::globals(&self.instance.globals());
        // Maps are copied into the vectors that are there, so that a state taken again and again allocates nothing.
        self.visit(which, &mut |_, c| {
            let to = out.next_chunk();
            let ChunkState { blocks, alloc_map, bound_map, populated, .. } = to;
            blocks.clear();
            blocks.extend_from_slice(c.blocks);
            for (to, from) in [(alloc_map, c.alloc_map), (bound_map, c.bound_map), (populated, c.populated)] {
                to.clear();
                to.extend_from_slice(from);
            }
            to.copy_head(c.head);
        });
    }

    fn visit(&self, which: Touched, see: &mut dyn FnMut(&Globals, &ChunkView<'_>)) {
        let g = records::globals(&self.instance.globals());
        let mut head = ChunkState::default();
        // One head for all chunks: a view is valid only until `see` returns.
        let one = |c: shim::Chunk<'_>| see(&g, &records::view(self.bridge().base(), &c, &mut head));
        match which {
            Touched::All => self.instance.visit_all(one),
            Touched::Recent => self.instance.visit_touched(one),
        }
    }

    fn save(&self) {
        self.instance.save();
    }

    fn restore(&self) {
        self.instance.restore();
    }
}
