// SPDX-License-Identifier: GPL-2.0-only
//! The table of quirks. The order of its rows is the order in which reports list quirks and in which they are switched
//! off to explain a finding: the first that explains it is named. A row moved is a finding named otherwise.

use super::row::{Effect, Fix, Row};
use serde::{Deserialize, Serialize};

macro_rules! quirks {
    ($($quirk:ident {
        name: $name:literal,
        summary: $summary:literal,
        effect: $effect:ident,
        v6_12: $new:literal,
        v6_1: $old:literal,
        fix: $fix:expr,
        story: $story:literal,
    })*) => {
        /// A behaviour that some trees have and others lack, with its story as documentation.
        ///
        /// Names that begin with B and a number are of known defects, in the order in which they were found; the others
        /// describe a variant that a tree or a proposed patch has.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
        pub enum Quirk {
            // JSON has the name and not the variant, so a variant may be renamed.
            $(#[doc = $story] #[serde(rename = $name)] $quirk,)*
        }

        impl Quirk {
            /// All quirks in the order of the table: the order in which reports list them, and in which they are
            /// switched off to explain a finding.
            pub const ALL: &'static [Quirk] = &[$(Quirk::$quirk,)*];
        }

        // In the order of the variants: a quirk finds its row by its number.
        pub(super) static ROWS: &[Row] = &[$(Row {
            name: $name,
            summary: $summary,
            effect: Effect::$effect,
            v6_12: $new,
            v6_1: $old,
            fix: $fix,
            story: $story,
        },)*];
    };
}

quirks! {
    B24 {
        name: "B24",
        summary: "the contig hint of a chunk is not raised by a free inside one block",
        effect: Hints,
        v6_12: true,
        v6_1: true,
        fix: Some(Fix { title: "percpu: fix wrong chunk hints update", commit: None }),
        story: "A free that stays inside one block reports the freed area to the chunk with a start counted from \
            the chunk and an end counted from the block. In every block but the first the length comes out negative \
            and the chunk learns nothing: it keeps saying that it is full, atomic allocations fail beside free \
            space, and sleeping ones create chunks.",
    }
    B25 {
        name: "B25",
        summary: "the scan hint may stand on the wrong side of the contig hint",
        effect: Hints,
        v6_12: true,
        v6_1: true,
        fix: Some(Fix { title: "percpu: fix hint invariant breakage", commit: None }),
        story: "When a free area as large as the contig hint turns up, the loser of the two may become the scan \
            hint although it lies before the winner, or an equally large scan hint stays before a better aligned \
            winner. Equal hints are promised to stand the other way round, and scans that rely on it skip free \
            areas.",
    }
    B26 {
        name: "B26",
        summary: "the start of a hint of length 0 is used",
        effect: Hints,
        v6_12: true,
        v6_1: true,
        fix: Some(Fix { title: "percpu: do not trust hint starts when they are not set", commit: None }),
        story: "A hint whose length is 0 has no start, but the old one is still compared. A full refresh of a \
            chunk begins with contig hint 0 and an untouched scan hint, which survives or not depending on where the \
            contig hint used to be.",
    }
    B50 {
        name: "B50",
        summary: "right_free of a block is lost when a scan hint is promoted",
        effect: Hints,
        v6_12: true,
        v6_1: true,
        fix: None,
        story: "A block refresh that promotes a scan hint clears right_free and looks only after the promoted \
            area. When that area ends at the block's right edge nothing sets right_free again, and the chunk no \
            longer sees the space.",
    }
    B51 {
        name: "B51",
        summary: "a scan hint is replaced by a smaller, later area",
        effect: Hints,
        v6_12: true,
        v6_1: true,
        fix: None,
        story: "A scan hint used up by an allocation is replaced by a smaller, later area; when the contig hint \
            breaks, that one is promoted and everything before it is forgotten until a free, and searches start \
            after it. Blocks and whole chunks alike. The kernel documents it as a limit.",
    }
    B36 {
        name: "B36",
        summary: "a failed mapping leaves pages mapped for the CPU it failed for",
        effect: Outcome,
        v6_12: false,
        v6_1: true,
        fix: Some(Fix { title: "percpu: clean up all mappings when pcpu_map_pages() fails", commit: None }),
        story: "When mapping fails for a CPU, the CPUs before it are unmapped but the pages already mapped for the \
            failing one are not. They are freed while still mapped, and the next attempt finds the entries present.",
    }
    WarnLimitSleepable {
        name: "warn-limit-sleepable",
        summary: "the failure of an allocation is printed for sleeping callers only",
        effect: Outcome,
        v6_12: false,
        v6_1: true,
        fix: Some(Fix { title: "mm/percpu.c: print error message too if atomic alloc failed", commit: None }),
        story: "The failure of an allocation is printed for sleeping callers only, and only they use up the limit of \
            warnings.",
    }
    B41 {
        name: "B41",
        summary: "the charge counts obj_cgroup pointers that are not there",
        effect: Outcome,
        v6_12: false,
        v6_1: true,
        fix: Some(Fix { title: "mm: percpu: fix incorrect size in pcpu_obj_full_size()", commit: None }),
        story: "The size of an area counts its obj_cgroup pointers although kmem accounting is disabled and there \
            are none.",
    }
    B14 {
        name: "B14",
        summary: "the number of empty pages is looked at without pcpu_lock",
        effect: Outcome,
        v6_12: true,
        v6_1: true,
        fix: Some(Fix { title: "percpu: fix data race with pcpu_nr_empty_pop_pages", commit: None }),
        story: "Whether too few empty pages are left is asked after pcpu_lock and the mutex were dropped. Later \
            trees ask, and schedule the work, before the lock is released: earlier, and before the pages of this \
            allocation are there.",
    }
    QueueUnderLock {
        name: "queue-under-lock",
        summary: "balance work is queued with pcpu_lock held",
        effect: Bookkeeping,
        v6_12: false,
        v6_1: false,
        fix: None,
        story: "A task that finds under pcpu_lock that too few empty pages are left queues the balance work there, as \
            trees without B14 do. Queueing takes locks of the work queue and of the scheduler, and percpu memory is \
            allocated under the latter: what \"percpu: remove spurious lock dependency between percpu and sched\" \
            did away with for frees.",
    }
    B15 {
        name: "B15",
        summary: "two callers that write the last warning at once end the limit of warnings",
        effect: Bookkeeping,
        v6_12: true,
        v6_1: false,
        fix: Some(Fix { title: "percpu: fix race on alloc failed warning limit", commit: None }),
        story: "A warning of a failed allocation is counted against the limit once it is written. Two atomic \
            callers that write the last one at once both count it: the limit becomes negative, and from there on \
            there is none. Trees that warn sleeping callers only do so under pcpu_alloc_mutex.",
    }
    B03 {
        name: "B03",
        summary: "sleepable NOFS and NOIO allocations count as atomic",
        effect: Masks,
        v6_12: false,
        v6_1: false,
        fix: Some(Fix {
            title: "mm, percpu: do not consider sleepable allocations atomic",
            commit: Some("9a5b183941b5"),
        }),
        story: "An allocation is atomic unless its mask has all of GFP_KERNEL. GFP_NOFS and GFP_NOIO callers could \
            sleep, but get NULL when no populated area is at hand.",
    }
    B03b {
        name: "B03b",
        summary: "the balance worker has no NOIO scope",
        effect: Masks,
        v6_12: false,
        v6_1: false,
        fix: Some(Fix {
            title: "mm, percpu: do not consider sleepable allocations atomic",
            commit: Some("9a5b183941b5"),
        }),
        story: "The balance worker allocates without a NOIO scope while it holds pcpu_alloc_mutex. Reclaim that it \
            enters may wait for a file system or a device whose owner waits for the mutex.",
    }
    B04 {
        name: "B04",
        summary: "vm areas are reserved with GFP_KERNEL whatever the caller's mask",
        effect: Masks,
        v6_12: true,
        v6_1: true,
        fix: Some(Fix { title: "mm/vmalloc: honor GFP constraints in pcpu_get_vm_areas()", commit: None }),
        story: "The vm areas of a new chunk are reserved with GFP_KERNEL whatever the caller's mask, under \
            pcpu_alloc_mutex.",
    }
    B05 {
        name: "B05",
        summary: "the array of pages and page tables ignore the caller's mask",
        effect: Masks,
        v6_12: true,
        v6_1: true,
        fix: Some(Fix { title: "mm/percpu: honor GFP constraints when populating chunks", commit: None }),
        story: "Populating ignores the caller's mask where it does not get pages: the array that page frames pass \
            through, made at the first populate, and page tables are allocated with GFP_KERNEL.",
    }
    B06 {
        name: "B06",
        summary: "backing allocations may enter reclaim of file systems and devices",
        effect: Masks,
        v6_12: true,
        v6_1: true,
        fix: Some(Fix { title: "mm/percpu: avoid IO/FS reclaim in backing allocations", commit: None }),
        story: "Backing memory is allocated with the caller's __GFP_IO and __GFP_FS. A GFP_KERNEL caller thus \
            enters reclaim of file systems and devices with pcpu_alloc_mutex held, for which a NOFS or NOIO caller \
            may be waiting.",
    }
    BackingNofail {
        name: "backing-nofail",
        summary: "backing allocations keep the caller's __GFP_NOFAIL",
        effect: Masks,
        v6_12: false,
        v6_1: false,
        fix: None,
        story: "Backing memory is allocated with the caller's __GFP_NOFAIL. Without it the bit only makes the \
            wait for pcpu_alloc_mutex uninterruptible.",
    }
    CallerScopes {
        name: "caller-scopes",
        summary: "chunks are created and populated in a scope of the caller's kind",
        effect: Masks,
        v6_12: false,
        v6_1: false,
        fix: None,
        story: "A sleeping caller without __GFP_IO creates and populates chunks in a NOIO scope, one that lacks \
            only __GFP_FS in a NOFS scope. All others keep full reclaim under pcpu_alloc_mutex.",
    }
    NoreclaimScope {
        name: "noreclaim-scope",
        summary: "page tables for callers that may fail are made in a noreclaim scope",
        effect: Masks,
        v6_12: false,
        v6_1: false,
        fix: None,
        story: "Page tables are made in the scope that memalloc_apply_gfp_scope() picks: with __GFP_NORETRY, as \
            the balance worker has it, or __GFP_RETRY_MAYFAIL, a noreclaim scope. They come from the reserves then, \
            and nothing is reclaimed.",
    }
    BackingUnderMutex {
        name: "backing-under-mutex",
        summary: "backing memory is allocated with pcpu_alloc_mutex held",
        effect: Waiting,
        v6_12: true,
        v6_1: true,
        fix: None,
        story: "Backing memory is allocated with pcpu_alloc_mutex held, whatever the mask. A task that could \
            free memory and waits for the mutex, or for a lock whose holder waits for it, waits for a task that waits \
            for memory: kswapd, too.",
    }
}
