// SPDX-License-Identifier: GPL-2.0-only
//! Fibers: every tenant call runs on one, so that a World call can switch tasks or end the program from any depth.
//!
//! Ending a program early *abandons* its fibers: their stacks are used again without unwinding, since C frames may lie
//! on them. So what runs on a fiber must own nothing with a destructor across a World call; in particular no borrow
//! lives across a switch, or the World would stay borrowed for ever.

use std::cell::Cell;
use std::ptr;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};

/// Bytes of a fiber's stack. A kernel stack has 16 KiB on x86-64, so percpu.c needs no more; the rest is for Rust and
/// sanitizers, and costs no memory until it is touched.
const STACK: usize = 512 << 10;

/// Why a fiber paused, which tells its runner what has to happen before it is resumed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pause {
    Yielded,
    Preempted,
    /// It waits for a lock: resume it after a release.
    Blocked,
    /// It found no memory and will retry: other tasks should run first.
    Retrying,
    /// It reclaims, and the runner has to run this shrinker of the program before it resumes it.
    Shrink(u8),
    /// The program is over. A fiber that pauses for this must not be resumed.
    Stopped,
    Finished,
}

thread_local! {
    static CURRENT: Cell<*const Yielder<(), Pause>> = const { Cell::new(ptr::null()) };
}

/// A stack for one body after the other. Sessions keep their fibers from program to program, because a new stack costs
/// a mapping and page faults.
pub struct Fiber {
    /// The body, while one is started and has not returned. It owns the stack then.
    coroutine: Option<Coroutine<(), Pause, (), DefaultStack>>,
    stack: Option<DefaultStack>,
}

impl Fiber {
    /// A fiber with nothing to run.
    ///
    /// # Errors
    /// The system has no memory for it.
    pub fn new() -> std::io::Result<Fiber> {
        Ok(Fiber { coroutine: None, stack: Some(DefaultStack::new(STACK)?) })
    }

    /// Puts a body on the stack; it starts at the first [`Fiber::resume`]. A body left suspended before is abandoned.
    pub fn start(&mut self, body: impl FnOnce() + 'static) {
        self.abandon();
        let stack = self.stack.take().expect("a fiber without a coroutine owns its stack");
        self.coroutine = Some(Coroutine::with_stack(stack, move |yielder, ()| {
            CURRENT.set(yielder);
            body();
        }));
    }

    /// Runs the body until it pauses and returns why. A fiber without a body counts as finished.
    pub fn resume(&mut self) -> Pause {
        let Some(coroutine) = self.coroutine.as_mut() else { return Pause::Finished };
        // If the runner is on a fiber itself, that one has to find its own yielder again.
        let outer = CURRENT.get();
        let result = coroutine.resume(());
        CURRENT.set(outer);
        match result {
            CoroutineResult::Yield(pause) => pause,
            CoroutineResult::Return(()) => {
                self.stack = self.coroutine.take().map(Coroutine::into_stack);
                Pause::Finished
            }
        }
    }

    /// Forgets the body on the stack without unwinding it. This is how a program that was stopped ends: its tasks may
    /// be deep inside C code, which cannot be unwound.
    pub fn abandon(&mut self) {
        if let Some(mut coroutine) = self.coroutine.take() {
            // SAFETY: frames on the stack are C frames or Rust frames between a World call and the fiber's body; by the
            // rule at the top they own nothing with a drop, so skipping their destructors leaks and breaks nothing.
            unsafe { coroutine.force_reset() };
            // The stack is kept: the next program needs one at once.
            let stack = coroutine.into_stack();
            forget_frames(&stack);
            self.stack = Some(stack);
        }
    }
}

/// Cleans a stack for AddressSanitizer: frames that never returned keep their red zones poisoned, and the next body
/// would be reported for using them.
fn forget_frames(stack: &DefaultStack) {
    #[cfg(percuss_asan)]
    {
        use corosensei::stack::Stack;
        unsafe extern "C" {
            fn __asan_unpoison_memory_region(addr: *const std::ffi::c_void, size: usize);
        }
        let (limit, base) = (stack.limit().get(), stack.base().get());
        // SAFETY: marks memory of our own stack as valid, which it is.
        unsafe { __asan_unpoison_memory_region(limit as *const _, base - limit) };
    }
    let _ = stack;
}

impl Drop for Fiber {
    fn drop(&mut self) {
        self.abandon();
    }
}

impl std::fmt::Debug for Fiber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fiber(busy: {})", self.coroutine.is_some())
    }
}

/// Pauses the fiber that calls; returns when it is resumed.
///
/// # Panics
/// Outside a fiber.
pub fn pause(why: Pause) {
    let yielder = CURRENT.get();
    assert!(!yielder.is_null(), "a World call that must wait or end the program needs a fiber");
    // SAFETY: CURRENT points to the yielder of the fiber that runs on this thread now: set when it starts and again
    // below each time it is resumed, reset to the outer one whenever it pauses or ends. A yielder lives as long as its
    // body.
    unsafe { (*yielder).suspend(why) };
    CURRENT.set(yielder);
}
