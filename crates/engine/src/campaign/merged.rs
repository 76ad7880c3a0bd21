// SPDX-License-Identifier: GPL-2.0-only
//! Results of batches, put together in the order of the programs, so that it does not matter which worker is done first.

use std::collections::BTreeMap;

use super::progress::Extent;
use crate::judge::Batch;

/// Programs that do not end, after which a campaign does. Each of them costs a second of CPU time, and one is enough to
/// see why.
pub(super) const HANGS: u64 = 16;

/// The results so far.
#[derive(Debug, Default)]
pub(super) struct Merged {
    all: Batch,
    /// The program that the next batch to merge begins with.
    next: u64,
    /// Batches after a gap, by their first program, with the end of each.
    waiting: BTreeMap<u64, (u64, Batch)>,
}

impl Merged {
    /// Takes in the batch of programs `from..to`.
    pub(super) fn put(&mut self, from: u64, to: u64, batch: Batch) {
        self.waiting.insert(from, (to, batch));
        while !self.full()
            && let Some((to, batch)) = self.waiting.remove(&self.next)
        {
            self.all.merge(batch);
            self.next = to;
        }
    }

    /// Kinds of findings in what is merged.
    pub(super) fn kinds(&self) -> u64 {
        self.all.found.len() as u64
    }

    /// So many programs did not end that the campaign does. Batches are merged in order, so it ends after the same batch
    /// with any number of workers.
    pub(super) fn full(&self) -> bool {
        self.all.hung >= HANGS
    }

    /// The whole. A campaign that was stopped keeps batches after a gap, too: it has no end that could be repeated.
    pub(super) fn finish(mut self, extent: Extent) -> Batch {
        if !self.full() {
            self.waiting.into_values().for_each(|(_, b)| self.all.merge(b));
        }
        if let Extent::Programs(n) = extent {
            self.all.not_run = n.saturating_sub(self.all.programs);
        }
        self.all.sort();
        self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 256;

    fn put(merged: &mut Merged, from: u64, hung: u64) {
        merged.put(from, from + SIZE, Batch { programs: SIZE, hung, ..Batch::default() });
    }

    #[test]
    fn a_campaign_ends_with_the_same_batch_in_any_order() {
        let batches = [(0, 10), (SIZE, 5), (2 * SIZE, 4), (3 * SIZE, 0), (4 * SIZE, 16)];
        for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 0, 3, 1]] {
            let mut merged = Merged::default();
            order.iter().for_each(|i: &usize| put(&mut merged, batches[*i].0, batches[*i].1));
            assert!(merged.full());
            let all = merged.finish(Extent::Programs(5 * SIZE));
            assert_eq!((all.programs, all.hung, all.not_run), (3 * SIZE, 19, 2 * SIZE));
        }
    }

    #[test]
    fn a_stopped_campaign_keeps_what_ran() {
        let mut merged = Merged::default();
        put(&mut merged, 0, 0);
        put(&mut merged, 2 * SIZE, 0);
        let all = merged.finish(Extent::Programs(4 * SIZE));
        assert_eq!((all.programs, all.not_run), (2 * SIZE, 2 * SIZE));
    }
}
