// SPDX-License-Identifier: GPL-2.0-only
//! A mutex whose order ThreadSanitizer sees. Without it, every access to the World would be reported as a race between
//! the threads that use it in turn.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A mutex with an atomic that is released and acquired along with it. ThreadSanitizer learns which thread came before
/// which only from code that is built for it, and the standard library is not.
#[derive(Debug)]
pub(super) struct EdgedMutex<T> {
    mutex: Mutex<T>,
    edge: AtomicU64,
}

impl<T> EdgedMutex<T> {
    pub fn new(value: T) -> EdgedMutex<T> {
        EdgedMutex { mutex: Mutex::new(value), edge: AtomicU64::new(0) }
    }

    pub fn lock(&self) -> Locked<'_, T> {
        // A thread that panics here has left everything whole: nothing is computed while it is locked.
        let value = self.mutex.lock().unwrap_or_else(PoisonError::into_inner);
        // The value does not matter, only that the load comes after the store of the thread that had the lock before.
        self.edge.load(Ordering::Acquire);
        Locked { value: Some(value), edge: &self.edge }
    }

    /// Reads the value; None while it is locked, which may be by the calling thread.
    pub fn try_read<R>(&self, read: impl FnOnce(&T) -> R) -> Option<R> {
        self.mutex.try_lock().ok().map(|value| read(&value))
    }
}

pub(super) struct Locked<'c, T> {
    /// None only while [`Locked::wait`] has it.
    value: Option<MutexGuard<'c, T>>,
    edge: &'c AtomicU64,
}

impl<'c, T> Locked<'c, T> {
    /// Waits for a condition variable, which unlocks the mutex meanwhile. So the edge is released before and acquired
    /// after, as by an unlock and a lock.
    pub fn wait(&mut self, wait: impl FnOnce(MutexGuard<'c, T>) -> MutexGuard<'c, T>) {
        self.edge.fetch_add(1, Ordering::Release);
        self.value = self.value.take().map(wait);
        self.edge.load(Ordering::Acquire);
    }
}

impl<T> Drop for Locked<'_, T> {
    fn drop(&mut self) {
        // The mutex unlocks after this, when its guard is dropped: the edge is complete before another thread can
        // acquire it.
        self.edge.fetch_add(1, Ordering::Release);
    }
}

impl<T> Deref for Locked<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_deref().expect("only a wait takes the guard, and it puts it back")
    }
}

impl<T> DerefMut for Locked<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_deref_mut().expect("only a wait takes the guard, and it puts it back")
    }
}
