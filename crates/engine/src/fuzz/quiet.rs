// SPDX-License-Identifier: GPL-2.0-only
//! Threads that a fuzzer does not notice: what is counted while they run is put back to what it was, and while the fuzzer
//! looks they wait where nothing is counted. Else each timing of them would look like something new.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use percuss_shim::Counters;

use percuss_run::Threads;

/// Threads of a target: as many as tasks, for `schedule` to take what they find.
pub(super) const THREADS: usize = 4;

/// The threads.
#[derive(Debug)]
pub(super) struct Quiet {
    threads: Threads,
    gate: Arc<Gate>,
    counters: Counters,
}

impl Quiet {
    /// Threads that stay as long as the process.
    ///
    /// # Errors
    /// The system has none.
    pub fn new() -> io::Result<Quiet> {
        let quiet =
            Quiet { threads: Threads::pool(THREADS)?, gate: Arc::new(Gate::default()), counters: Counters::default() };
        quiet.rest();
        Ok(quiet)
    }

    /// Runs something on the threads. Nothing of it is counted, whoever runs it.
    pub fn uncounted<R>(&mut self, run: impl FnOnce(&Threads) -> R) -> R {
        self.counters.note();
        self.gate.open();
        let result = run(&self.threads);
        self.rest();
        self.counters.put_back();
        result
    }

    /// Has every thread wait at the gate. One of a pool that looks for work counts, as all code but the standard library's
    /// does.
    fn rest(&self) {
        let gate = Arc::clone(&self.gate);
        let shut = gate.shut();
        self.threads.each_later(move || gate.wait(shut));
        self.gate.wait_for(self.threads.count());
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        self.gate.open();
    }
}

/// Where threads wait.
#[derive(Debug, Default)]
struct Gate {
    state: Mutex<State>,
    /// It was opened.
    opened: Condvar,
    /// One more thread waits.
    came: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Times it was opened.
    opened: u64,
    /// Threads that wait for the next time.
    waiting: usize,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets all go that wait.
    fn open(&self) {
        let mut state = self.lock();
        state.opened += 1;
        state.waiting = 0;
        self.opened.notify_all();
    }

    /// From here on it is shut: what [`Gate::wait`] wants to be told.
    fn shut(&self) -> u64 {
        self.lock().opened
    }

    /// Waits until it is opened, if it was not since it was shut.
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

    /// Waits until so many wait. They are inside the standard library then: each has let the lock go there.
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
