// SPDX-License-Identifier: GPL-2.0-only
//! What a run costs, in figures that are the same for every version of a tree.

use serde::{Deserialize, Serialize};

use percuss_kernel::event::Event;
use percuss_kernel::{DRAIN, Lock};

/// Counts of one run, or sums over several. Pages are those before the drain, which frees everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    pub tlb_flushes: u64,
    /// Sections under `pcpu_lock`.
    pub lock_sections: u64,
    /// Times that `pcpu_alloc_mutex` was taken.
    pub mutex: u64,
    /// Calls of the kernel that were made while it was held: how long, where no clock is.
    pub held: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Chunks made.
    pub chunks: u64,
    /// Backing pages held after the last op.
    pub pages: u64,
    /// Backing pages held at the most.
    pub pages_peak: u64,
}

impl Figures {
    pub fn of(events: &[Event]) -> Figures {
        let mut f = Figures::default();
        let mut holds = false;
        let mut draining = false;
        for event in events {
            draining |= *event == Event::OpBegin { op: DRAIN };
            f.tlb_flushes += u64::from(matches!(event, Event::FlushTlb { .. }));
            f.lock_sections += u64::from(matches!(event, Event::SpinLock { lock: Lock::Pcpu, .. }));
            f.mutex += u64::from(matches!(event, Event::MutexLock { lock: Lock::AllocMutex, taken: true, .. }));
            if draining {
                continue;
            }
            if let Event::MutexLock { lock: Lock::AllocMutex, taken, .. } = event {
                holds = *taken;
            }
            holds &= !matches!(event, Event::MutexUnlock { lock: Lock::AllocMutex });
            f.held += u64::from(holds);
            f.failed += u64::from(matches!(event, Event::TraceAllocFail { .. }));
            f.chunks += u64::from(matches!(event, Event::TraceCreate { .. }));
            f.pages += u64::from(matches!(event, Event::PageAlloc { pfn: Some(_), .. }));
            // More frees than allocations are a bug of the tree, which other oracles report.
            f.pages = f.pages.saturating_sub(u64::from(matches!(event, Event::PageFree { .. })));
            f.pages_peak = f.pages_peak.max(f.pages);
        }
        f
    }

    pub fn add(&mut self, other: &Figures) {
        self.tlb_flushes += other.tlb_flushes;
        self.lock_sections += other.lock_sections;
        self.mutex += other.mutex;
        self.held += other.held;
        self.failed += other.failed;
        self.chunks += other.chunks;
        self.pages += other.pages;
        self.pages_peak += other.pages_peak;
    }

    /// The figures with their names, in the order of reports.
    pub fn named(&self) -> [(&'static str, u64); 8] {
        [
            ("requests that fail", self.failed),
            ("chunks made", self.chunks),
            ("TLB flushes", self.tlb_flushes),
            ("sections under pcpu_lock", self.lock_sections),
            ("times that pcpu_alloc_mutex is taken", self.mutex),
            ("kernel calls while it is held", self.held),
            ("backing pages held after the last op", self.pages),
            ("backing pages held at the most", self.pages_peak),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use percuss_kernel::gfp::Gfp;

    #[test]
    fn pages_are_those_before_the_drain() {
        let page = |pfn| Event::PageAlloc { node: 0, gfp: Gfp::KERNEL, pfn };
        let [one, two] = [page(Some(1)), page(Some(2))];
        let flush = Event::FlushTlb { start: 0, end: 1 };
        let drain = Event::OpBegin { op: DRAIN };
        let f = Figures::of(&[one, two, page(None), Event::PageFree { pfn: 1 }, flush, drain, flush, one]);
        assert_eq!(f, Figures { tlb_flushes: 2, pages: 1, pages_peak: 2, ..Figures::default() });
    }
}
