// SPDX-License-Identifier: GPL-2.0-only
//! Patches that break something: one cause each, and the right rule says it first.

use crate::common::patch::{Edit, c, header, vm};

pub struct Wrong {
    pub name: &'static str,
    pub edits: &'static [Edit],
    /// Generated programs, beside the corpus. A broken lock closes hundreds of cycles in the order of locks, and each of
    /// them that takes several programs is put together: with more programs that takes minutes.
    pub programs: &'static str,
    /// The oracle of the cause.
    pub oracle: &'static str,
    /// What the line of the cause says: what is wrong, and where.
    pub says: &'static [&'static str],
}

pub const LOCKS: &[Wrong] = &[
    Wrong {
        // Posted as a fix for the unlocked read of the number of empty pages.
        name: "pages are populated with pcpu_lock held",
        edits: &[
            c("pcpu_alloc_noprof", "spin_unlock_irqrestore(&pcpu_lock, flags);", "").nth(2),
            c("pcpu_alloc_noprof", "spin_lock_irqsave(&pcpu_lock, flags);", "").nth(4),
            c("pcpu_alloc_noprof", "spin_unlock_irqrestore(&pcpu_lock, flags);", "").nth(2),
            c(
                "pcpu_alloc_noprof",
                "if (pcpu_nr_empty_pop_pages < PCPU_EMPTY_POP_PAGES_LOW)",
                "spin_unlock_irqrestore(&pcpu_lock, flags);\n\n\t{}",
            ),
        ],
        programs: "20",
        oracle: "context",
        says: &["sleeping function called from invalid context", "pcpu_lock", "pcpu_mem_zalloc"],
    },
    Wrong {
        name: "pcpu_lock is kept when the reserved chunk is full",
        edits: &[c("pcpu_alloc_noprof", "goto fail_unlock;", "goto fail;")],
        programs: "100",
        oracle: "context",
        says: &["still has locks held", "pcpu_lock", "pcpu_alloc"],
    },
    Wrong {
        // What a semantic patch proposed for an allocation near a spinlock.
        name: "the balance worker allocates from the reserves",
        edits: &[c(
            "pcpu_balance_populated",
            "const gfp_t gfp = GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN;",
            "const gfp_t gfp = GFP_ATOMIC | __GFP_NORETRY | __GFP_NOWARN;",
        )],
        programs: "100",
        oracle: "masks",
        says: &["__GFP_HIGH", "pcpu_balance_workfn"],
    },
];

pub const COUNTS: &[Wrong] = &[
    Wrong {
        name: "a counter of the statistics is not decremented",
        edits: &[header("pcpu_stats_area_dealloc", "pcpu_stats.nr_cur_alloc--;", "")],
        programs: "100",
        oracle: "invariants",
        says: &["nr_cur_alloc"],
    },
    Wrong {
        name: "the trace event of a free has its offset in another unit",
        edits: &[c(
            "free_percpu",
            "trace_percpu_free_percpu(chunk->base_addr, off, ptr);",
            "trace_percpu_free_percpu(chunk->base_addr, off / PCPU_MIN_ALLOC_SIZE, ptr);",
        )],
        programs: "100",
        oracle: "traces",
        says: &["trace event of a free", "free_percpu"],
    },
    Wrong {
        name: "an atomic failure queues no balance work",
        edits: &[c("pcpu_alloc_noprof", "pcpu_schedule_balance_work();", "").nth(2)],
        programs: "100",
        oracle: "liveness",
        says: &["cannot wait", "no balance work queued"],
    },
    Wrong {
        name: "pages leak when they cannot be mapped",
        edits: &[vm("pcpu_populate_chunk", "pcpu_free_pages(chunk, pages, page_start, page_end);", "")],
        programs: "250",
        oracle: "ledger",
        says: &["leak of backing pages"],
    },
];

/// What a rule sees before anything goes wrong by it.
pub const RARE: &[Wrong] = &[
    Wrong {
        name: "the first chunk's boundary map has no room for its last bit",
        edits: &[c(
            "pcpu_alloc_first_chunk",
            "BITS_TO_LONGS(region_bits + 1) * sizeof(chunk->bound_map[0])",
            "BITS_TO_LONGS(region_bits) * sizeof(chunk->bound_map[0])",
        )],
        programs: "100",
        oracle: "ledger",
        says: &["a write beyond the end of memory", "boot"],
    },
    Wrong {
        name: "a chunk is moved to another list without pcpu_lock",
        edits: &[c(
            "pcpu_reclaim_populated",
            "list_move_tail(&chunk->list, &pcpu_chunk_lists[pcpu_sidelined_slot]);",
            "{\n\t\t\tspin_unlock_irq(&pcpu_lock);\n\t\t\t{}\n\t\t\tspin_lock_irq(&pcpu_lock);\n\t\t}",
        )],
        programs: "250",
        oracle: "invariants",
        says: &["the list of a chunk changes while pcpu_lock is free", "pcpu_reclaim_populated"],
    },
    Wrong {
        name: "a new chunk enters its list before pcpu_lock is taken",
        edits: &[
            c("pcpu_alloc_noprof", "spin_lock_irqsave(&pcpu_lock, flags);", "").nth(2),
            c("pcpu_alloc_noprof", "pcpu_chunk_relocate(chunk, -1);", "{}\n\t\tspin_lock_irqsave(&pcpu_lock, flags);"),
        ],
        programs: "20",
        oracle: "invariants",
        says: &["the list of a chunk changes while pcpu_lock is free", "pcpu_alloc"],
    },
];
