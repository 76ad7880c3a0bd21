// SPDX-License-Identifier: GPL-2.0-only
//! Which context waits for which, in words. A report of a deadlock or a stall shows this text, because the events
//! before it are too many to see a cycle in.

use crate::world::World;
use percuss_kernel::event::Stop;
use percuss_kernel::{CONTEXTS, context_name};

impl World {
    /// Ends the program: all contexts that have not ended wait for each other. `ended` is a mask of the tasks that
    /// have.
    pub fn deadlock(&mut self, ended: u32) {
        let text = self.chains(ended);
        self.attach(&text);
        self.end(Stop::Deadlock);
    }

    pub(crate) fn note_waiters(&mut self) {
        let text = self.chains(0);
        self.attach(&text);
    }

    fn attach(&mut self, text: &str) {
        // A text belongs to the next event, which must not be that of an open zeroing.
        self.end_zeroing();
        self.buffers.log.text(text);
    }

    /// A chain for each waiting context: the lock it waits for, the holder of that, and the lock this one waits for in
    /// turn.
    fn chains(&self, ended: u32) -> String {
        let waiters = (0..CONTEXTS).filter(|c| self.wait_of(*c).is_some());
        waiters.map(|c| self.chain(c, ended)).collect::<Vec<_>>().join("; ")
    }

    /// The lock a context waits for, and its holder; None for a context that does not wait.
    fn wait_of(&self, context: usize) -> Option<(&'static str, Option<usize>)> {
        match (self.run.waits[context], self.run.waits_ext[context]) {
            // A context waits for at most one lock, of either kind.
            (Some(lock), _) => Some((lock.name(), self.owner(lock))),
            (_, Some(lock)) => Some((lock.name(), self.run.ext.holder(lock))),
            _ => None,
        }
    }

    fn chain(&self, first: usize, ended: u32) -> String {
        let mut out = context_name(first);
        let (mut at, mut seen) = (first, 0u32);
        let mut verb = "waits";
        while let Some((lock, holder)) = self.wait_of(at) {
            seen |= 1 << at;
            out += &format!(" {verb} for {lock}, held by {}", holder.map_or("no task".to_owned(), context_name));
            // A lock can be free while a context still waits for it: the release has happened and the context did not
            // run yet.
            let Some(holder) = holder else { break };
            if ended >> holder & 1 == 1 {
                out += ", which has ended";
            }
            // The chain has come back to a context in it: this is the cycle, and following it further would never end.
            if seen >> holder & 1 == 1 {
                break;
            }
            (at, verb) = (holder, "which waits");
            if self.wait_of(at).is_some() {
                out.push(',');
            }
        }
        out
    }
}
