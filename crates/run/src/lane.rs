// SPDX-License-Identifier: GPL-2.0-only
//! A lane: the fiber of a task or of kswapd, with one on top of it for a shrinker that reclaim runs, and one for an
//! interrupt handler.

use std::io;
use std::rc::Rc;

use super::exec::Shared;
use percuss_kernel::Tenant;
use percuss_world::fiber::{Fiber, Pause};

/// The fibers of one task. The topmost that has something to run is the one that runs, and those below wait for it: the
/// handler, then the shrinker, then the task.
#[derive(Debug)]
pub(super) struct Lane {
    fiber: Fiber,
    /// Runs the ops of a shrinker while `fiber` waits in reclaim. One is enough: reclaim does not nest.
    shrinker: Fiber,
    shrinking: bool,
    /// Runs a handler on top of both. One is enough: a handler starts only where none runs.
    handler: Fiber,
    handling: bool,
    /// The turn is that of the handler, which began with it and ends with it.
    fired: bool,
    /// The World's context in which the lane goes on: the task's own, or the worker's while it runs the work item.
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

    /// Puts a body on the lane, which starts at the first [`Lane::resume`]. What was on it before is abandoned.
    pub fn start(&mut self, context: usize, body: impl FnOnce() + 'static) {
        self.abandon();
        self.context = context;
        self.fiber.start(body);
    }

    pub fn handles(&self) -> bool {
        self.handling
    }

    /// Puts a handler on top, which starts at the next [`Lane::resume`]. That returns at the end of the handler, so
    /// that the interrupted task does not run within the turn.
    pub fn fire(&mut self, body: impl FnOnce() + 'static) {
        self.handler.start(body);
        (self.handling, self.fired) = (true, true);
    }

    /// Runs the lane until it pauses, and returns why. A pause to run a shrinker is dealt with here and does not show:
    /// for the scheduler, reclaim is a part of the task's op.
    pub fn resume<T: Tenant + 'static>(&mut self, shared: &Rc<Shared<T>>) -> Pause {
        loop {
            let fiber = match (self.handling, self.shrinking) {
                (true, _) => &mut self.handler,
                (_, true) => &mut self.shrinker,
                _ => &mut self.fiber,
            };
            match fiber.resume() {
                // Reclaim does not nest, so within a shrinker or a handler it goes on without running one.
                Pause::Shrink(_) if self.shrinking || self.handling => {}
                Pause::Finished if self.handling => {
                    self.handling = false;
                    // A handler that had to wait ends within a later turn, which goes on with what it interrupted.
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

    /// Abandons what runs on all of its fibers, without unwinding: destructors on them do not run.
    pub fn abandon(&mut self) {
        self.fiber.abandon();
        self.shrinker.abandon();
        self.shrinking = false;
        self.handler.abandon();
        (self.handling, self.fired) = (false, false);
    }
}
