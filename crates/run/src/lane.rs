// SPDX-License-Identifier: GPL-2.0-only
//! A lane: the fiber of a task, or of kswapd, with others for shrinkers that reclaim runs on top of it, and for
//! interrupts.

use std::io;
use std::rc::Rc;

use super::exec::Shared;
use percuss_kernel::Tenant;
use percuss_world::fiber::{Fiber, Pause};

/// Where one task runs.
#[derive(Debug)]
pub(super) struct Lane {
    fiber: Fiber,
    /// Runs the ops of a shrinker while `fiber` waits in reclaim. One is enough: reclaim does not nest.
    shrinker: Fiber,
    shrinking: bool,
    /// Runs a handler on top of both.
    handler: Fiber,
    handling: bool,
    /// The handler's turn: it ends with the handler.
    fired: bool,
    /// The World's context to go on in: the task's own, or the worker's while it runs the work item.
    pub context: usize,
}

impl Lane {
    /// A lane with nothing on it.
    ///
    /// # Errors
    /// The system has no memory for the stacks.
    pub fn new() -> io::Result<Lane> {
        Ok(Lane {
            fiber: Fiber::new()?,
            shrinker: Fiber::new()?,
            shrinking: false,
            handler: Fiber::new()?,
            handling: false,
            fired: false,
            context: 0,
        })
    }

    /// Puts a body on the lane; it starts at the first [`Lane::resume`].
    pub fn start(&mut self, context: usize, body: impl FnOnce() + 'static) {
        self.abandon();
        self.context = context;
        self.fiber.start(body);
    }

    /// A handler runs.
    pub fn handles(&self) -> bool {
        self.handling
    }

    /// Puts a handler on top; it starts at the next [`Lane::resume`], which returns at its end.
    pub fn fire(&mut self, body: impl FnOnce() + 'static) {
        self.handler.start(body);
        (self.handling, self.fired) = (true, true);
    }

    /// Runs until it pauses for another reason than to run a shrinker.
    pub fn resume<T: Tenant + 'static>(&mut self, shared: &Rc<Shared<T>>) -> Pause {
        loop {
            let fiber = match (self.handling, self.shrinking) {
                (true, _) => &mut self.handler,
                (_, true) => &mut self.shrinker,
                _ => &mut self.fiber,
            };
            match fiber.resume() {
                Pause::Shrink(_) if self.shrinking || self.handling => {}
                Pause::Finished if self.handling => {
                    self.handling = false;
                    // A handler that had to wait is behind its turn: the turn is that of what it interrupted.
                    if std::mem::take(&mut self.fired) {
                        return Pause::Preempted;
                    }
                }
                Pause::Shrink(i) => {
                    let shared = Rc::clone(shared);
                    self.shrinker.start(move || shared.shrink(usize::from(i)));
                    self.shrinking = true;
                }
                Pause::Finished if self.shrinking => self.shrinking = false,
                pause => {
                    self.fired = false;
                    return pause;
                }
            }
        }
    }

    /// Forgets what runs on it.
    pub fn abandon(&mut self) {
        self.fiber.abandon();
        self.shrinker.abandon();
        self.shrinking = false;
        self.handler.abandon();
        (self.handling, self.fired) = (false, false);
    }
}
