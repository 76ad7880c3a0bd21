// SPDX-License-Identifier: GPL-2.0-only
//! The World's state, and how it is set up for a program.

use super::areas::Areas;
use super::arena::{Arena, PAGE, place};
use super::ext::ExtLocks;
use super::fault::Faults;
use super::heap::Heap;
use super::log::{CallSite, EVENTS_MAX, Log};
use super::memblock::Memblock;
use super::memcg::Memcg;
use super::named::NamedLocks;
use super::pages::Pages;
use super::pageset::PageSet;
use super::pressure::{Pool, Pressure};
use super::sample::{Contents, Sample};
use super::task::Task;
use super::vm::Vm;
use percuss_kernel::digest::mix;
use percuss_kernel::event::{Event, Ext, Stop};
use percuss_kernel::{Addr, CONTEXTS, Fault, Geometry, Layout, Lock, limits};
use percuss_program::Program;

/// Locks a World knows: pcpu_lock, pcpu_alloc_mutex and others in order of first use.
pub(super) const LOCKS: usize = 18;

/// Pages in use after which the arena gives its memory back between programs (64 MiB).
const RELEASE_AFTER: u64 = 16_384;

/// A zeroing that may go on to the next CPU.
#[derive(Debug, Clone, Copy)]
pub(super) struct Zeroing {
    pub addr: Addr,
    pub len: u32,
    pub other: u32,
    pub cpus: u64,
    /// Rank of the CPU expected next.
    pub rank: u32,
    /// What of the area has to be cleared.
    pub sample: Sample,
}

impl Zeroing {
    pub fn event(self) -> Event {
        Event::Zero { addr: self.addr, len: self.len, other: self.other, cpus: self.cpus }
    }
}

/// A simulated kernel. `Host` is its face towards tenants.
#[derive(Debug)]
pub struct World {
    pub(super) arena: Arena,
    pub(super) log: Log,
    pub(super) heap: Heap,
    pub(super) pages: Pages,
    pub(super) memblock: Memblock,
    pub(super) vm: Vm,
    pub(super) memcg: Memcg,
    pub(super) faults: Faults,
    /// What the program holds: here, so that whoever has the World has both.
    pub(super) areas: Areas,
    pub(super) geometry: Geometry,
    pub(super) layout: Layout,
    /// Possible CPUs in order.
    pub(super) possible: Vec<u8>,
    pub(super) tasks: [Task; CONTEXTS],
    pub(super) current: usize,
    /// The op each context runs.
    pub(super) ops: [u32; CONTEXTS],
    pub(super) owner: [Option<u8>; LOCKS],
    pub(super) named: NamedLocks,
    pub(super) ext: ExtLocks,
    /// What each context waits for.
    pub(super) waits: [Option<Lock>; CONTEXTS],
    pub(super) waits_ext: [Option<Ext>; CONTEXTS],
    /// Memory under pressure, when the program has any.
    pub(super) pool: Option<Pool>,
    pub(super) pressure: Pressure,
    /// Shrinkers that need `__GFP_FS`.
    pub(super) gated: [bool; limits::SHRINKERS],
    /// Where the call of each context comes from, while that is recorded.
    pub(super) sites: Option<Box<[Option<CallSite>; CONTEXTS]>>,
    /// Those of calls in whose reclaim a shrinker's op runs, with their contexts.
    pub(super) outer_sites: Vec<(usize, Option<CallSite>)>,
    /// A lock was released or a task killed since somebody asked, so that who waits looks again.
    pub(super) released: bool,
    /// Nobody else can run: as the turn began, and should a lock have been released since.
    pub(super) alone: [bool; 2],
    /// Contexts that go round for memory, as a mask.
    pub(super) looking: u32,
    pub(super) work_pending: bool,
    /// The worker runs the work item.
    pub(super) working: bool,
    pub(super) zeroing: Option<Zeroing>,
    pub(super) booting: bool,
    pub(super) stopped: Option<Stop>,
    /// Pages of vmalloc space that cost memory.
    pub(super) committed: PageSet,
    /// The most boot has taken since memory was given back.
    boot_bytes: u64,
    /// Those whose bytes are all poison, but for areas somebody has.
    pub(super) poisoned: PageSet,
    pub(super) contents: Contents,
    /// Zeroings, each of the same range on a set of CPUs.
    pub(super) clearings: u32,
    /// Bytes of a `struct page`, cleared when its page is handed out; 0 for tenants that have none.
    pub(super) page_struct: u32,
    saved: Saved,
}

/// What boot left, to go back to without booting again.
#[derive(Debug, Default)]
struct Saved {
    metadata: Vec<Metadata>,
    work_pending: bool,
    named: NamedLocks,
}

/// Content of a range of boot metadata: zeroes, as nearly all of the maps of a chunk are, but for some pieces.
#[derive(Debug)]
struct Metadata {
    addr: Addr,
    len: u64,
    pieces: Vec<(Addr, Vec<u8>)>,
}

impl Metadata {
    /// Bytes of a piece.
    const PIECE: usize = 256;

    fn save(arena: &Arena, addr: Addr, len: u64) -> Metadata {
        let pieces = arena.bytes(addr, len).chunks(Metadata::PIECE).zip((addr..).step_by(Metadata::PIECE));
        let set = pieces.filter(|(bytes, _)| bytes.iter().any(|b| *b != 0));
        Metadata { addr, len, pieces: set.map(|(bytes, at)| (at, bytes.to_vec())).collect() }
    }

    fn restore(&self, arena: &Arena) {
        arena.fill(self.addr, self.len, 0);
        self.pieces.iter().for_each(|(at, bytes)| arena.write(*at, bytes));
    }
}

impl World {
    /// A World with nothing booted. `page_struct`: bytes of the tenant's `struct page`, 0 when it has none.
    ///
    /// # Errors
    /// The system refuses the address space.
    pub fn new(page_struct: u32) -> std::io::Result<World> {
        let arena = Arena::new()?;
        // A Model's World has no memory behind it: there would be a megabyte for each of many Models.
        if page_struct != 0 {
            let image: Vec<u8> = (0..place::STATIC_MAX).map(static_byte).collect();
            arena.write(place::STATIC, &image);
        }
        Ok(World {
            arena,
            log: Log::new(),
            heap: Heap::new(),
            pages: Pages::new(),
            memblock: Memblock::default(),
            vm: Vm::new(),
            memcg: Memcg::default(),
            faults: Faults::default(),
            areas: Areas::new(),
            geometry: Geometry::default(),
            layout: Layout::default(),
            possible: Vec::with_capacity(64),
            tasks: [Task::default(); CONTEXTS],
            current: 0,
            ops: [0; CONTEXTS],
            owner: [None; LOCKS],
            named: NamedLocks::default(),
            ext: ExtLocks::default(),
            waits: [None; CONTEXTS],
            waits_ext: [None; CONTEXTS],
            pool: None,
            pressure: Pressure::default(),
            gated: [false; limits::SHRINKERS],
            sites: None,
            outer_sites: Vec::new(),
            released: false,
            alone: [false; 2],
            looking: 0,
            work_pending: false,
            working: false,
            zeroing: None,
            booting: false,
            stopped: None,
            committed: PageSet::new(),
            boot_bytes: 0,
            poisoned: PageSet::new(),
            contents: Contents::default(),
            clearings: 0,
            page_struct,
            saved: Saved::default(),
        })
    }

    /// Empties the World for a boot of `geometry`; boot memory is filled with garbage.
    pub fn power_on(&mut self, geometry: &Geometry, faults: &[Fault]) {
        self.geometry = *geometry;
        self.possible.clear();
        self.possible.extend(geometry.possible().map(|c| c as u8));
        self.memblock.reset();
        self.vm.clear();
        self.work_pending = false;
        self.layout = Layout::default();
        self.reset_volatile(faults);
        if self.wants_boot() {
            self.arena.release(place::VMALLOC, place::VMALLOC_END - place::VMALLOC);
            self.arena.release(place::HEAP, place::HEAP_END - place::HEAP);
            self.arena.release(place::LINEAR, place::LINEAR_END - place::LINEAR);
            self.boot_bytes = 0;
            self.committed.clear();
            self.poisoned.clear();
        }
        self.booting = true;
    }

    /// How closely contents are looked at from here on.
    pub fn look(&mut self, contents: Contents) {
        if contents != Contents::Whole {
            self.forget_poison();
        }
        self.contents = contents;
    }

    /// Memory may have been left in any state: a program ended early, or the allocator wrote where it should not.
    pub fn forget_poison(&mut self) {
        self.poisoned.clear();
    }

    /// So much memory has been committed that the next program should boot, which gives it back.
    pub fn wants_boot(&self) -> bool {
        self.pages_taken() > RELEASE_AFTER
    }

    /// Has the next boot give memory back already when half as much has been committed: for those to whom it matters which
    /// boot does.
    pub fn give_back_early(&mut self) {
        if self.pages_taken() > RELEASE_AFTER / 2 {
            self.boot_bytes = (RELEASE_AFTER + 1) * PAGE;
        }
    }

    fn pages_taken(&self) -> u64 {
        self.committed.count() as u64 + self.boot_bytes / PAGE
    }

    /// Memory gets short from here on, if the program says so: boot never runs into reclaim.
    pub fn press(&mut self, program: &Program) {
        let objects = std::array::from_fn(|i| program.shrinkers.get(i).map_or(0, |s| s.objects));
        self.gated = std::array::from_fn(|i| program.shrinkers.get(i).is_some_and(|s| s.gated));
        self.pool = program.memory.map(|m| Pool::new(m, objects));
    }

    /// Everything that boot does not touch, as after boot.
    fn reset_volatile(&mut self, faults: &[Fault]) {
        self.log.clear();
        self.heap.reset();
        self.pages.reset(self.geometry.pages);
        self.memcg = Memcg::default();
        self.faults.arm(faults);
        self.tasks = [Task::default(); CONTEXTS];
        self.current = 0;
        self.ops = [0; CONTEXTS];
        self.owner = [None; LOCKS];
        self.named = NamedLocks::default();
        self.ext = ExtLocks::default();
        self.waits = [None; CONTEXTS];
        self.waits_ext = [None; CONTEXTS];
        self.pool = None;
        self.pressure = Pressure::default();
        self.alone = [false; 2];
        self.looking = 0;
        self.released = false;
        self.sites = None;
        self.outer_sites.clear();
        self.working = false;
        self.zeroing = None;
        self.clearings = 0;
        self.stopped = None;
    }

    /// Boot ended: logs the Boot event and, when it went well, keeps the layout and what `reset` goes back to.
    pub fn booted(&mut self, result: Result<Layout, i32>) {
        self.booting = false;
        if self.backed() {
            self.boot_bytes = self.boot_bytes.max(self.memblock.bytes());
        }
        match result {
            Ok(layout) => {
                self.layout = layout;
                let digest = mix(layout_digest(&self.layout), self.memblock.digest());
                self.emit(Event::Boot { digest, error: 0 });
                self.vm.save();
                self.fence_first_chunk();
                self.saved.work_pending = self.work_pending;
                self.saved.named = self.named;
                self.saved.metadata.clear();
                if self.backed() {
                    self.poison_first_chunk();
                    for (addr, len) in self.memblock.metadata() {
                        self.saved.metadata.push(Metadata::save(&self.arena, *addr, *len));
                    }
                }
            }
            Err(error) => self.emit(Event::Boot { digest: 0, error }),
        }
    }

    /// What the first chunk has for areas is nobody's yet.
    fn poison_first_chunk(&mut self) {
        let g = &self.geometry;
        let (start, end) = (g.static_size as u64, (g.static_size + g.reserved + g.dyn_size) as u64);
        // The page builder takes no dyn size: what the geometry asks for may be more than a unit has.
        let end = end.next_multiple_of(PAGE).min(self.layout.unit_size);
        if self.contents == Contents::Whole {
            for cpu in self.cpus() {
                self.fill_unit(self.copy_of(place::STATIC + start, cpu), end - start);
            }
        }
    }

    /// Back to the end of the last boot, with a new fault plan.
    pub fn reset(&mut self, faults: &[Fault]) {
        let boot = self.log.events().first().copied();
        self.reset_volatile(faults);
        self.vm.restore();
        self.work_pending = self.saved.work_pending;
        self.named = self.saved.named;
        self.fence_first_chunk();
        self.saved.metadata.iter().for_each(|m| m.restore(&self.arena));
        self.log.push(boot.expect("a booted World has a Boot event"));
    }

    /// Appends an event, after a zeroing that it ends.
    #[inline]
    pub(super) fn emit(&mut self, e: Event) {
        if self.booting {
            return;
        }
        if self.zeroing.is_some() {
            self.end_zeroing();
        }
        if let Some(sites) = &self.sites
            && let Some(site) = &sites[self.current]
        {
            self.log.site(site.clone());
        }
        self.log.push(e);
    }

    pub(super) fn end_zeroing(&mut self) {
        if let Some(z) = self.zeroing.take() {
            self.log.push(z.event());
        }
    }

    /// True when the program has made more events than any sane one.
    pub(super) fn endless(&self) -> bool {
        self.log.events().len() > EVENTS_MAX
    }

    /// Memory has content: the tenant is C and uses it. A Model keeps its state in Rust, and what it does to memory is
    /// all in its events.
    pub(super) fn backed(&self) -> bool {
        self.page_struct != 0
    }

    pub(super) fn task(&mut self) -> &mut Task {
        &mut self.tasks[self.current]
    }
}

/// The n-th byte of the static image: never 0, so that a copy can be told from zeroes.
pub fn static_byte(n: u64) -> u8 {
    (n.wrapping_mul(37) ^ n >> 8) as u8 | 1
}

fn layout_digest(l: &Layout) -> u64 {
    let mut h = 0x6c;
    for v in [l.base_addr, l.unit_size, l.atom_size, l.nr_units as u64, l.nr_slots as u64] {
        h = mix(h, v);
    }
    h = mix(h, (l.low_cpu as u64) << 32 | l.high_cpu as u64);
    for (unit, offset) in l.unit_map.iter().zip(&l.unit_offsets) {
        h = mix(mix(h, *unit as u32 as u64), *offset);
    }
    for (offset, size) in l.group_offsets.iter().zip(&l.group_sizes) {
        h = mix(mix(h, *offset), *size);
    }
    h
}
