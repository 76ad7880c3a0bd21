// SPDX-License-Identifier: GPL-2.0-only
//! `KernelC`: the percpu allocator of a tree, compiled into an image.

use std::cell::RefCell;
use std::fmt;
use std::rc::{Rc, Weak};

use percuss_shim as shim;
use shim::abi;

use super::bridge::Bridge;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Addr, Block, ChunkState, ChunkView, First, Geometry, Globals, Layout, State, Tenant, Touched};
use percuss_world::Host;

type Instance = shim::Instance<Bridge>;

/// An image on a World.
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

/// Looks at a chunk that was touched since the last release of pcpu_lock.
pub type Judge = dyn Fn(&Globals, &ChunkView<'_>);

/// Shows the chunks touched since the last release to a judge, with pcpu_lock still held.
pub struct ReleaseHook {
    instance: Weak<Instance>,
    judge: RefCell<Option<Rc<Judge>>>,
    head: RefCell<ChunkState>,
}

impl fmt::Debug for ReleaseHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReleaseHook")
    }
}

impl ReleaseHook {
    /// Shows them.
    pub fn run(&self) {
        let judge = self.judge.borrow();
        let (Some(instance), Some(judge)) = (self.instance.upgrade(), judge.as_ref()) else { return };
        let g = globals(&instance.globals());
        let mut head = self.head.borrow_mut();
        instance.visit_touched(|c| judge(&g, &view(instance.host(), &c, &mut head)));
    }
}

impl KernelC {
    /// Ties an image to a World.
    pub fn new(image: shim::Image, world: Host, name: String) -> KernelC {
        let bridge = Bridge::new(world);
        let arena = bridge.arena();
        // SAFETY: the bridge hands out addresses of the World's arena only, which is one mapping that lives as long as the
        // World, which the bridge owns a share of; nothing but the image keeps data in the ranges handed to it.
        KernelC::of(name, unsafe { Instance::new(image, bridge, arena) })
    }

    fn of(name: String, instance: Instance) -> KernelC {
        let instance = Rc::new(instance);
        let hook =
            ReleaseHook { instance: Rc::downgrade(&instance), judge: RefCell::default(), head: RefCell::default() };
        KernelC { name, instance, hook: Rc::new(hook) }
    }

    /// Lets other threads call the image too, until [`KernelC::close`].
    pub fn open(&self) -> Opened {
        Opened { name: self.name.clone(), base: self.bridge().base(), seat: self.instance.open() }
    }

    /// Ends [`KernelC::open`]: those that joined make no calls any more.
    pub fn close(&self) {
        self.instance.close();
    }

    /// The image as a thread that joins sees it; `world` is its way to the World of the image.
    pub fn join(opened: &Opened, world: Host) -> KernelC {
        let bridge = Bridge::at_base(opened.base, world);
        // SAFETY: the arena is the opening instance's; a thread has the World while it is in a call that touches what
        // threads share, and the World keeps out of a lock who does not hold it. Who joins is run by run_free(), which
        // closes the instance when all threads are done, and resumes no fiber of theirs after that.
        KernelC::of(opened.name.clone(), unsafe { Instance::join(opened.seat.clone(), bridge) })
    }

    /// Shows touched chunks to `judge` at every release of pcpu_lock from now on; None: no longer.
    pub fn watch_releases(&self, judge: Option<Rc<Judge>>) {
        let hook = judge.is_some().then(|| self.hook.clone());
        *self.hook.judge.borrow_mut() = judge;
        self.instance.host().before_release.set(hook);
    }

    /// Records where events come from, from now on or no longer.
    pub fn record_sites(&self, on: bool) {
        *self.instance.host().sites.borrow_mut() = on.then(|| Rc::downgrade(&self.instance));
        self.instance.host().world.world_mut().set_site(None);
    }

    /// What libFuzzer sees of the image.
    pub fn coverage(&self) -> shim::Coverage {
        self.instance.image().coverage()
    }

    fn bridge(&self) -> &Bridge {
        self.instance.host()
    }
}

/// A geometry as an image takes it.
pub fn boot_params(geometry: &Geometry) -> shim::Boot {
    shim::Boot {
        possible: geometry.cpus,
        static_size: geometry.static_size as u64,
        reserved_size: geometry.reserved as u64,
        dyn_size: geometry.dyn_size as u64,
        atom_size: geometry.atom as u64,
        unit_size: geometry.unit as u64,
        first: match geometry.first {
            First::Embed => abi::PERCUSS_FIRST_EMBED,
            First::Page => abi::PERCUSS_FIRST_PAGE,
            First::Info => abi::PERCUSS_FIRST_INFO,
        },
        kmem: geometry.kmem as u32,
    }
}

fn globals(g: &abi::percuss_globals) -> Globals {
    Globals {
        nr_empty_pop_pages: g.nr_empty_pop_pages,
        atomic_alloc_failed: g.atomic_alloc_failed != 0,
        nr_populated: g.nr_populated,
        nr_chunks: g.nr_chunks,
        nr_max_chunks: g.nr_max_chunks,
        nr_alloc: g.nr_alloc,
        nr_dealloc: g.nr_dealloc,
        nr_cur_alloc: g.nr_cur_alloc,
        nr_max_alloc: g.nr_max_alloc,
        min_alloc_size: g.min_alloc_size,
        max_alloc_size: g.max_alloc_size,
        nr_slots: g.nr_slots,
        free_slot: g.free_slot,
        sidelined_slot: g.sidelined_slot,
        to_depopulate_slot: g.to_depopulate_slot,
    }
}

/// A chunk of an image as a view; `head` lends the memory of its plain fields.
fn view<'a>(bridge: &Bridge, c: &shim::Chunk<'a>, head: &'a mut ChunkState) -> ChunkView<'a> {
    head.base_addr = bridge.rel(c.base_addr);
    head.slot = c.slot;
    head.position = c.position;
    head.free_bytes = c.free_bytes;
    head.nr_pages = c.nr_pages;
    head.nr_populated = c.nr_populated;
    head.nr_empty_pop_pages = c.nr_empty_pop_pages;
    head.start_offset = c.start_offset;
    head.end_offset = c.end_offset;
    head.nr_alloc = c.nr_alloc;
    head.max_alloc_size = c.max_alloc_size;
    head.immutable = c.immutable != 0;
    head.isolated = c.isolated != 0;
    head.is_first = c.is_first != 0;
    head.is_reserved = c.is_reserved != 0;
    head.md = bytemuck::cast(c.md);
    head.touched = (c.touched_lo, c.touched_hi);
    ChunkView {
        head,
        blocks: bytemuck::cast_slice::<[i32; 8], Block>(c.blocks()),
        alloc_map: c.alloc_map(),
        bound_map: c.bound_map(),
        populated: c.populated(),
    }
}

impl Tenant for KernelC {
    fn name(&self) -> &str {
        &self.name
    }

    fn boot(&self, geometry: &Geometry) -> Result<Layout, i32> {
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

    fn digest_all(&self) -> u64 {
        self.instance.digest_all()
    }

    fn state(&self, which: Touched, out: &mut State) {
        out.used = 0;
        out.globals = globals(&self.instance.globals());
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
        let g = globals(&self.instance.globals());
        let mut head = ChunkState::default();
        let one = |c: shim::Chunk<'_>| see(&g, &view(self.bridge(), &c, &mut head));
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
