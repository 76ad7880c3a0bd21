// SPDX-License-Identifier: GPL-2.0-only
//! Threads that a fuzzer does not notice.
//!
//! libFuzzer keeps an input if a counter reaches a new value, and counts everything in the process. Threads count by
//! their timing, so each run would look new and the corpus would fill with copies. So counters are put back after
//! threads ran, and while the fuzzer looks the threads wait where nothing is counted.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use percuss_shim::Counters;

use percuss_run::Threads;

/// Number of threads: as many as tasks of a `schedule` program, so that `schedule` can mutate what they find.
pub(super) const THREADS: usize = 4;

/// The threads, at rest but while they run something.
#[derive(Debug)]
pub(super) struct Quiet {
    threads: Threads,
    gate: Arc<Gate>,
    counters: Counters,
}

impl Quiet {
    /// Starts the threads, which stay as long as the process.
    ///
    /// # Errors
    /// The system has none.
    pub fn new() -> io::Result<Quiet> {
        let quiet =
            Quiet { threads: Threads::pool(THREADS)?, gate: Arc::new(Gate::default()), counters: Counters::default() };
        quiet.rest();
        Ok(quiet)
    }

    /// Runs something on the threads.
    ///
    /// Nothing that runs meanwhile is counted, on this thread or others.
    pub fn uncounted<R>(&mut self, run: impl FnOnce(&Threads) -> R) -> R {
        // Before the gate opens: threads count as soon as they leave it.
        self.counters.note();
        self.gate.open();
        let result = run(&self.threads);
        self.rest();
        self.counters.put_back();
        result
    }

    /// Makes every thread wait at the gate.
    ///
    /// A thread of the pool that looks for work would count: all code does but that of the standard library.
    fn rest(&self) {
        let gate = Arc::clone(&self.gate);
        let shut = gate.shut();
        self.threads.each_later(move || gate.wait(shut));
        // Until the last thread waits, it may still count, and the fuzzer looks at the counters when this returns.
        self.gate.wait_for(self.threads.count());
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // Threads that wait at the gate would never end.
        self.gate.open();
    }
}

/// A gate that threads wait at, inside the standard library.
#[derive(Debug, Default)]
struct Gate {
    state: Mutex<State>,
    /// Signals that the gate was opened.
    opened: Condvar,
    /// Signals that one more thread waits.
    came: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Number of times it was opened.
    ///
    /// A thread waits for the number to change, so it cannot miss an opening.
    opened: u64,
    /// Number of threads that wait for the next opening.
    waiting: usize,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere has nothing to do with the two numbers in here, which are right at all times.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Releases all waiting threads.
    fn open(&self) {
        let mut state = self.lock();
        state.opened += 1;
        state.waiting = 0;
        self.opened.notify_all();
    }

    /// Shuts the gate; the result is for [`Gate::wait`].
    fn shut(&self) -> u64 {
        self.lock().opened
    }

    /// Waits until the gate is opened after it was shut.
    ///
    /// Returns at once if that has happened.
    fn wait(&self, shut: u64) {
        let mut state = self.lock();
        if state.opened == shut {
            state.waiting += 1;
            self.came.notify_one();
        }
        while state.opened == shut {
            state = self.opened.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until this many threads wait.
    ///
    /// Each has then released the lock inside the standard library, where nothing is counted.
    fn wait_for(&self, threads: usize) {
        let mut state = self.lock();
        while state.waiting < threads {
            state = self.came.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn threads_rest_but_while_they_run_something() {
        let mut quiet = Quiet::new().unwrap();
        let ran = AtomicUsize::new(0);
        for round in 1..50 {
            assert_eq!(quiet.gate.lock().waiting, THREADS);
            let once = || {
                ran.fetch_add(1, Ordering::Relaxed);
            };
            quiet.uncounted(|threads| threads.each(once));
            assert_eq!(ran.load(Ordering::Relaxed), round * THREADS);
        }
    }

    /// A program that does not boot runs nothing on them: the gate may be shut before they have seen it open.
    #[test]
    fn nothing_need_be_run() {
        let mut quiet = Quiet::new().unwrap();
        for _ in 0..50 {
            quiet.uncounted(|_| ());
            assert_eq!(quiet.gate.lock().waiting, THREADS);
        }
    }
}
