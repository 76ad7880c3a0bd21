// SPDX-License-Identifier: GPL-2.0-only
//! The World: its state, its log, and what others may see of them. What it does is in the folders `locks`, `memory` and
//! `tasks`, each of which adds methods to it.

use crate::arena::addresses;
use crate::state::areas::Areas;
use crate::state::boot::Boot;
use crate::state::buffers::Buffers;
use crate::state::log::{CallSite, EVENTS_MAX, Log};
use crate::state::memcg::Memcg;
use crate::state::pressure::Pressure;
use crate::state::run::Run;
use crate::state::space::Space;
use crate::state::task::Task;
use percuss_kernel::event::{Event, Stop};
use percuss_kernel::{Geometry, Layout};

/// A simulated kernel. Tenants call it through a [`Host`](crate::Host); the methods here are for the runner, which sets
/// it up and drives it, and for oracles, which look at it between ops.
#[derive(Debug)]
pub struct World {
    pub(crate) space: Space,
    pub(crate) boot: Boot,
    pub(crate) run: Run,
    pub(crate) buffers: Buffers,
}

impl World {
    /// A World with nothing booted. `page_struct` is the size of the tenant's `struct page` in bytes, 0 when it has
    /// none.
    ///
    /// # Errors
    /// The system refuses the address space.
    pub fn new(page_struct: u32) -> std::io::Result<World> {
        let space = Space::new(page_struct)?;
        // A Model reads no memory, and a campaign has many Models: a megabyte for each would add up.
        if space.backed() {
            let image: Vec<u8> = (0..addresses::STATIC_MAX).map(static_byte).collect();
            space.arena.write(addresses::STATIC, &image);
        }
        Ok(World { space, boot: Boot::default(), run: Run::default(), buffers: Buffers::new() })
    }

    /// Appends an event. An open zeroing ends before it, because the log has it in the place where it happened.
    #[inline]
    pub(crate) fn emit(&mut self, e: Event) {
        // A boot is compared by its result, which is one event; the calls on the way are not logged.
        if self.boot.booting {
            return;
        }
        // In line, since this is called for every event and a zeroing is rarely open.
        if self.run.zeroing.is_some() {
            self.end_zeroing();
        }
        // Before the event is appended, as a site belongs to the next one.
        if let Some(site) = self.buffers.sites.get(self.run.current) {
            self.buffers.log.site(site.clone());
        }
        self.buffers.log.push(e);
    }

    #[inline]
    pub(crate) fn end_zeroing(&mut self) {
        if let Some(z) = self.run.zeroing.take() {
            // Straight to the log: emit() would come back here.
            self.buffers.log.push(z.event());
        }
    }

    /// Whether the program has made more events than any program that comes to an end. A tenant that loops for ever is
    /// found by this.
    #[inline]
    pub(crate) fn endless(&self) -> bool {
        // The length of the log counts work on image and Model alike, which time does not.
        self.buffers.log.events().len() > EVENTS_MAX
    }

    /// Ends the program, which the runner sees by [`World::stopped`]. The first reason counts: what follows is a
    /// consequence of it.
    pub(crate) fn end(&mut self, reason: Stop) {
        if self.run.stopped.is_none() {
            self.run.stopped = Some(reason);
            // In the log as well as in the state: two runs that stop for different reasons must differ.
            self.emit(Event::Stopped { reason });
        }
    }

    #[inline]
    pub(crate) fn task(&mut self) -> &mut Task {
        &mut self.run.tasks[self.run.current]
    }

    pub fn task_mut(&mut self) -> &mut Task {
        self.task()
    }

    #[inline]
    pub fn current(&self) -> usize {
        self.run.current
    }

    #[inline]
    pub fn areas(&self) -> &Areas {
        &self.buffers.areas
    }

    pub fn areas_mut(&mut self) -> &mut Areas {
        &mut self.buffers.areas
    }

    pub fn push_event(&mut self, e: Event) {
        self.emit(e);
    }

    /// Completes log and figures once no task runs any more: a zeroing that is still open and waits that have not ended
    /// count up to here. Metadata that is left is looked at for writes beyond its end.
    pub fn settle(&mut self) {
        self.end_zeroing();
        self.overruns_left();
        self.run.pressure.settle();
    }

    /// Says where the running context's tenant code is from here on; None when that is not known. Every event gets a
    /// copy of it, so only runs whose report shows call sites record it.
    pub fn set_site(&mut self, site: Option<CallSite>) {
        self.buffers.sites.set(self.run.current, site);
    }

    pub fn pressure(&self) -> &Pressure {
        &self.run.pressure
    }

    pub fn stopped(&self) -> Option<Stop> {
        self.run.stopped
    }

    #[inline]
    pub fn events(&self) -> &[Event] {
        self.buffers.log.events()
    }

    /// Events so far, with the texts of diagnostics and the call sites.
    pub fn log(&self) -> &Log {
        &self.buffers.log
    }

    pub fn geometry(&self) -> &Geometry {
        &self.boot.geometry
    }

    pub fn layout(&self) -> &Layout {
        &self.boot.layout
    }

    pub fn memcg(&self) -> &Memcg {
        &self.run.memcg
    }

    /// Backing pages in use, those that boot took from memblock not counted.
    pub fn pages_used(&self) -> u32 {
        self.buffers.pages.used()
    }

    /// Live metadata objects, handles of vm areas included.
    pub fn metadata_live(&self) -> u32 {
        self.buffers.heap.count()
    }

    /// Reserved ranges of vm areas, those of boot not counted. After a drain a chunk that the allocator lost shows in
    /// this number.
    pub fn ranges_live(&self) -> usize {
        self.buffers.vm.live_ranges()
    }
}

/// The n-th byte of the static image. It is never 0, so that a copy cannot be taken for cleared memory.
pub fn static_byte(n: u64) -> u8 {
    (n.wrapping_mul(37) ^ n >> 8) as u8 | 1
}
