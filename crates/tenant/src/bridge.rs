// SPDX-License-Identifier: GPL-2.0-only
//! The World as an image reaches it.
//!
//! An image calls its host by a table of functions. The shim turns each such call into one of the `Kernel` trait, and
//! the bridge says which World answers it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};

use percuss_kernel::event::Stop;
use percuss_kernel::{Addr, ChunkState, ChunkView, Globals, UnlockedChange};
use percuss_shim as shim;
use percuss_world::Host;
use percuss_world::arena::addresses;
use percuss_world::log::CallSite;

use super::records;

/// Owns the World that an image calls, and hooks into the calls where the run asks for it.
pub struct Bridge {
    pub world: Host,
    base: u64,
    /// The instance that knows where the image's code is; set while call sites are recorded.
    ///
    /// Weak, since the instance owns the bridge.
    pub sites: RefCell<Option<Weak<shim::Instance<Bridge>>>>,
    pub hook: Cell<Option<Rc<ReleaseHook>>>,
}

impl Bridge {
    pub fn new(world: Host) -> Bridge {
        Bridge::at_base(world.arena_base(), world)
    }

    /// A bridge of a thread that has no World yet to ask.
    ///
    /// `base` is the address of the arena of the World that it will get, which is the same for all threads of an image.
    pub fn at_base(base: u64, world: Host) -> Bridge {
        Bridge { base, world, sites: RefCell::new(None), hook: Cell::new(None) }
    }

    #[inline]
    pub fn rel(&self, addr: u64) -> Addr {
        shim::relative(self.base, addr)
    }

    #[inline]
    pub fn abs(&self, addr: Addr) -> u64 {
        shim::absolute(self.base, addr)
    }

    /// The ranges of the World's arena as absolute addresses, as the image needs them.
    ///
    /// The ranges themselves are the same in every arena, so that two tenants have equal relative addresses.
    pub fn arena(&self) -> shim::Arena {
        shim::Arena {
            mem_map: self.abs(addresses::MEM_MAP),
            linear: self.abs(addresses::LINEAR),
            linear_end: self.abs(addresses::LINEAR_END),
            vmalloc_start: self.abs(addresses::VMALLOC),
            vmalloc_end: self.abs(addresses::VMALLOC_END),
            static_image: self.abs(addresses::STATIC),
        }
    }
}

/// A place of the image, with its file relative to the tree.
fn call_site(at: shim::CallSite<'_>) -> CallSite {
    // The compiler was given an absolute path, which differs from one copy of the tree to another.
    let file = at.file.rfind("/mm/").map_or(at.file, |i| &at.file[i + 1..]);
    CallSite { function: at.function.into(), file: file.into(), line: at.line }
}

impl shim::Host for Bridge {
    type Kernel = Host;

    #[inline]
    fn kernel(&self) -> &Host {
        &self.world
    }

    #[inline]
    fn base(&self) -> u64 {
        self.base
    }

    #[inline]
    fn note_site(&self) {
        // An empty cell is the usual case: looking a site up takes longer than most services.
        if let Some(instance) = &*self.sites.borrow() {
            let site = instance.upgrade().and_then(|i| i.at().map(call_site));
            self.world.world_mut().set_site(site);
        }
    }

    #[inline]
    fn before_release(&self) {
        // The hook is away while it runs, so that a release inside it would not start it again.
        if let Some(hook) = self.hook.take() {
            hook.run();
            self.hook.set(Some(hook));
        }
    }

    fn internal_panic(&self, _message: &str) -> ! {
        // The run ends here, since a panic must not unwind through frames of C.
        self.world.stop(Stop::Internal)
    }
}

/// What there is to look at when pcpu_lock is released.
#[derive(Clone, Copy)]
pub enum Look<'a> {
    /// A chunk that was touched since the last release.
    Chunk(&'a Globals, &'a ChunkView<'a>),
    /// Something had changed when the lock was taken.
    Changed(&'a UnlockedChange),
}

/// Looks at what a release shows.
///
/// It is called with the lock held, in the middle of an op, so it must not call the tenant.
pub type Judge = dyn Fn(Look<'_>);

/// What the image noticed, in the vocabulary of percuss-kernel.
#[cold]
fn unlocked_change(base: u64, c: &shim::Change<'_>) -> UnlockedChange {
    let site = |at: Option<shim::CallSite<'_>>| at.map_or("the boot".to_owned(), |at| call_site(at).to_string());
    let function = c.taken.map_or("percpu", |at| at.function);
    UnlockedChange {
        chunk: shim::relative(base, c.chunk),
        field: c.field.to_owned(),
        before: c.before,
        after: c.after,
        // The kernel adds a suffix to functions that are counted for profiles.
        function: function.strip_suffix("_noprof").unwrap_or(function).to_owned(),
        between: [site(c.released), site(c.taken)],
    }
}

/// Shows the chunks touched since the last release to a judge, with pcpu_lock still held.
///
/// `head` is kept from one release to the next, so that a view allocates nothing.
pub struct ReleaseHook {
    instance: Weak<shim::Instance<Bridge>>,
    judge: RefCell<Option<Rc<Judge>>>,
    head: RefCell<ChunkState>,
}

impl fmt::Debug for ReleaseHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReleaseHook")
    }
}

impl ReleaseHook {
    pub(crate) fn new(instance: Weak<shim::Instance<Bridge>>) -> ReleaseHook {
        ReleaseHook { instance, judge: RefCell::default(), head: RefCell::default() }
    }

    pub(crate) fn set_judge(&self, judge: Option<Rc<Judge>>) {
        *self.judge.borrow_mut() = judge;
    }

    /// Shows what was touched; does nothing without a judge, or when the instance is being dropped.
    pub fn run(&self) {
        let judge = self.judge.borrow();
        let (Some(instance), Some(judge)) = (self.instance.upgrade(), judge.as_ref()) else { return };
        let g = records::globals(&instance.globals());
        let mut head = self.head.borrow_mut();
        let bridge = instance.host();
        if let Some(change) = instance.take_change() {
            judge(Look::Changed(&unlocked_change(bridge.base, &change)));
        }
        instance.visit_touched(|c| judge(Look::Chunk(&g, &records::view(bridge.base, &c, &mut head))));
    }
}
