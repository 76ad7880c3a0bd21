// SPDX-License-Identifier: GPL-2.0-only
//! A lane: the fiber of a task, or of kswapd, with another for shrinkers that reclaim runs on top of it.

use std::io;
use std::rc::Rc;

use super::exec::Shared;
use crate::tenant::Tenant;
use crate::world::fiber::{Fiber, Pause};

/// Where one task runs.
#[derive(Debug)]
pub(super) struct Lane {
    fiber: Fiber,
    /// Runs the ops of a shrinker while `fiber` waits in reclaim. One is enough: reclaim does not nest.
    shrinker: Fiber,
    shrinking: bool,
    /// The World's context to go on in: the task's own, or the worker's while it runs the work item.
    pub context: usize,
}

impl Lane {
    /// A lane with nothing on it.
    ///
    /// # Errors
    /// The system has no memory for the stacks.
    pub fn new() -> io::Result<Lane> {
        Ok(Lane { fiber: Fiber::new()?, shrinker: Fiber::new()?, shrinking: false, context: 0 })
    }

    /// Puts a body on the lane; it starts at the first [`Lane::resume`].
    pub fn start(&mut self, context: usize, body: impl FnOnce() + 'static) {
        self.abandon();
        self.context = context;
        self.fiber.start(body);
    }

    /// Runs until it pauses for another reason than to run a shrinker.
    pub fn resume<T: Tenant + 'static>(&mut self, shared: &Rc<Shared<T>>) -> Pause {
        loop {
            let fiber = if self.shrinking { &mut self.shrinker } else { &mut self.fiber };
            match fiber.resume() {
                Pause::Shrink(_) if self.shrinking => {}
                Pause::Shrink(i) => {
                    let shared = Rc::clone(shared);
                    self.shrinker.start(move || shared.shrink(usize::from(i)));
                    self.shrinking = true;
                }
                Pause::Finished if self.shrinking => self.shrinking = false,
                pause => return pause,
            }
        }
    }

    /// Forgets what runs on it.
    pub fn abandon(&mut self) {
        self.fiber.abandon();
        self.shrinker.abandon();
        self.shrinking = false;
    }
}
