// SPDX-License-Identifier: GPL-2.0-only
//! Patches that break nothing: nothing may be said of them.

use crate::common::patch::{Edit, c, vm};

pub struct Harmless {
    pub name: &'static str,
    pub edits: &'static [Edit],
}

/// The same code, arranged otherwise.
pub const STRUCTURE: &[Harmless] = &[
    Harmless {
        name: "a part of pcpu_alloc_first_chunk() becomes a function",
        edits: &[
            c(
                "pcpu_alloc_first_chunk",
                "offset_bits = chunk->start_offset / PCPU_MIN_ALLOC_SIZE;",
                "pcpu_hide(chunk);",
            ),
            c("pcpu_alloc_first_chunk", "bitmap_set(chunk->alloc_map, 0, offset_bits);", ""),
            c("pcpu_alloc_first_chunk", "set_bit(0, chunk->bound_map);", ""),
            c("pcpu_alloc_first_chunk", "set_bit(offset_bits, chunk->bound_map);", ""),
            c("pcpu_alloc_first_chunk", "chunk->chunk_md.first_free = offset_bits;", ""),
            c("pcpu_alloc_first_chunk", "pcpu_block_update_hint_alloc(chunk, 0, offset_bits);", ""),
            c(
                "",
                "static struct pcpu_chunk * __init pcpu_alloc_first_chunk(",
                "static void __init pcpu_hide(struct pcpu_chunk *chunk)\n{\n\
                 \tconst int hidden = chunk->start_offset / PCPU_MIN_ALLOC_SIZE;\n\n\
                 \tchunk->chunk_md.first_free = hidden;\n\
                 \tbitmap_set(chunk->alloc_map, 0, hidden);\n\
                 \tset_bit(hidden, chunk->bound_map);\n\
                 \tset_bit(0, chunk->bound_map);\n\
                 \tpcpu_block_update_hint_alloc(chunk, 0, hidden);\n}\n\n{}",
            ),
        ],
    },
    Harmless { name: "a static function is renamed", edits: &[c("", "pcpu_size_to_slot", "pcpu_slot_for_size").all()] },
    Harmless {
        name: "the counters of populated pages get a function",
        edits: &[
            c("pcpu_chunk_populated", "chunk->nr_populated += nr;", "pcpu_count_populated(chunk, nr);"),
            c("pcpu_chunk_populated", "pcpu_nr_populated += nr;", ""),
            c("pcpu_chunk_depopulated", "chunk->nr_populated -= nr;", "pcpu_count_populated(chunk, -nr);"),
            c("pcpu_chunk_depopulated", "pcpu_nr_populated -= nr;", ""),
            c(
                "",
                "static void pcpu_chunk_populated(",
                "static void pcpu_count_populated(struct pcpu_chunk *chunk, int nr)\n{\n\
                 \tpcpu_nr_populated += nr;\n\tchunk->nr_populated += nr;\n}\n\n{}",
            ),
        ],
    },
    Harmless {
        name: "functions are added and exported, and nothing calls them",
        edits: &[c(
            "",
            "bool __is_kernel_percpu_address(",
            "int pcpu_charge(void __percpu *ptr, size_t size)\n{\n\
             \treturn ptr && size ? 0 : -EINVAL;\n}\nEXPORT_SYMBOL_GPL(pcpu_charge);\n\n\
             void pcpu_uncharge(void __percpu *ptr, size_t size)\n{\n\
             \tWARN_ON_ONCE(ptr && !size);\n}\nEXPORT_SYMBOL_GPL(pcpu_uncharge);\n\n{}",
        )],
    },
    Harmless {
        name: "only comments",
        edits: &[
            c("free_percpu", "size = pcpu_free_area(chunk, off);", "/* gives the area back */\n\t{}"),
            vm("pcpu_get_pages", "return pages;", "{}\t/* kept for the next caller */"),
        ],
    },
    Harmless {
        name: "an early return becomes a nested block",
        edits: &[
            c(
                "pcpu_block_update_scan",
                "if (e_off > PCPU_BITMAP_BLOCK_BITS)",
                "if (e_off <= PCPU_BITMAP_BLOCK_BITS) {",
            ),
            c("pcpu_block_update_scan", "return;", ""),
            c("pcpu_block_update_scan", "pcpu_block_update(block, s_off, e_off);", "{}\n\t}"),
        ],
    },
    Harmless {
        name: "the size of the bitmap is kept in a variable",
        edits: &[
            c(
                "pcpu_find_block_fit",
                "int bit_off, bits, next_off;",
                "{}\n\tconst int end = pcpu_chunk_map_bits(chunk);",
            ),
            c("pcpu_find_block_fit", "if (bit_off == pcpu_chunk_map_bits(chunk))", "if (bit_off == end)"),
        ],
    },
];

/// Other ways to write one statement.
pub const STATEMENTS: &[Harmless] = &[
    Harmless {
        name: "a loop ends at the number of CPUs and asks which are possible",
        edits: &[c(
            "pcpu_alloc_noprof",
            "for_each_possible_cpu(cpu)",
            "for (cpu = 0; cpu < nr_cpu_ids; cpu++)\n\t\tif (cpu_possible(cpu))\n\t",
        )],
    },
    Harmless {
        name: "independent stores change places",
        edits: &[
            c("pcpu_alloc_first_chunk", "chunk->base_addr = (void *)aligned_addr;", ""),
            c(
                "pcpu_alloc_first_chunk",
                "chunk->start_offset = start_offset;",
                "{}\n\tchunk->base_addr = (void *)aligned_addr;",
            ),
            vm("pcpu_create_chunk", "chunk->data = vms;", ""),
            vm("pcpu_create_chunk", "pcpu_stats_chunk_alloc();", "chunk->data = vms;\n\n\t{}"),
        ],
    },
    Harmless {
        name: "hints for the branch predictor",
        edits: &[
            vm("pcpu_create_chunk", "if (!vms)", "if (unlikely(!vms))"),
            c("pcpu_chunk_relocate", "if (chunk->isolated)", "if (unlikely(chunk->isolated))"),
            c("free_percpu", "if (!ptr)", "if (unlikely(!ptr))"),
            c(
                "pcpu_find_block_fit",
                "if (!pcpu_check_block_hint(chunk_md, alloc_bits, align))",
                "if (likely(!pcpu_check_block_hint(chunk_md, alloc_bits, align)))",
            ),
        ],
    },
    Harmless {
        name: "parameters become const",
        edits: &[
            c("pcpu_check_block_hint", "struct pcpu_block_md *block", "const {}"),
            c("pcpu_next_hint", "struct pcpu_block_md *block", "const {}"),
        ],
    },
    Harmless {
        name: "one step through a list in place of a loop",
        edits: &[
            c(
                "free_percpu",
                "struct pcpu_chunk *pos;",
                "struct list_head *head = &pcpu_chunk_lists[pcpu_free_slot];\n\
                 \t\tstruct pcpu_chunk *pos = list_first_entry_or_null(head, struct pcpu_chunk, list);",
            ),
            c("free_percpu", "list_for_each_entry(pos, &pcpu_chunk_lists[pcpu_free_slot], list)", ""),
            c("free_percpu", "if (pos != chunk)", "if (pos && (pos != chunk || !list_is_singular(head)))"),
            c("free_percpu", "break;", ""),
        ],
    },
    Harmless {
        name: "other functions for the same bits",
        edits: &[
            c("pcpu_alloc_area", "set_bit(bit_off, chunk->bound_map);", "bitmap_set(chunk->bound_map, bit_off, 1);"),
            c(
                "pcpu_alloc_first_chunk",
                "bitmap_fill(chunk->populated, chunk->nr_pages);",
                "bitmap_set(chunk->populated, 0, chunk->nr_pages);",
            ),
            c(
                "pcpu_reclaim_populated",
                "test_bit(i, chunk->populated)",
                "find_next_bit(chunk->populated, i + 1, i) == i",
            ),
        ],
    },
    Harmless {
        name: "the unlocked read is marked as one",
        edits: &[c(
            "pcpu_alloc_noprof",
            "if (pcpu_nr_empty_pop_pages < PCPU_EMPTY_POP_PAGES_LOW)",
            "if (READ_ONCE(pcpu_nr_empty_pop_pages) < PCPU_EMPTY_POP_PAGES_LOW)",
        )],
    },
    Harmless {
        name: "conditions change places",
        edits: &[
            c(
                "pcpu_reclaim_populated",
                "if (reintegrate || chunk->free_bytes == pcpu_unit_size)",
                "if (chunk->free_bytes == pcpu_unit_size || reintegrate)",
            ),
            vm(
                "pcpu_should_reclaim_chunk",
                "if (chunk == pcpu_first_chunk || chunk == pcpu_reserved_chunk)",
                "if (chunk == pcpu_reserved_chunk || chunk == pcpu_first_chunk)",
            ),
        ],
    },
];

/// More or less of something, and none of it wrong.
pub const CALLS: &[Harmless] = &[
    Harmless {
        name: "the TLB is flushed for each range",
        edits: &[
            c(
                "pcpu_reclaim_populated",
                "pcpu_depopulate_chunk(chunk, i + 1, end + 1);",
                "{}\n\t\t\tpcpu_post_unmap_tlb_flush(chunk, i + 1, end + 1);",
            ),
            c("pcpu_reclaim_populated", "pcpu_post_unmap_tlb_flush(chunk, freed_page_start, freed_page_end);", ""),
        ],
    },
    Harmless {
        name: "one more cond_resched() in the worker",
        edits: &[c(
            "pcpu_reclaim_populated",
            "if (reintegrate || chunk->free_bytes == pcpu_unit_size)",
            "spin_unlock_irq(&pcpu_lock);\n\t\tcond_resched();\n\t\tspin_lock_irq(&pcpu_lock);\n\n\t\t{}",
        )],
    },
    Harmless {
        name: "metadata by kvzalloc()",
        edits: &[
            c("pcpu_mem_zalloc", "if (size <= PAGE_SIZE)", ""),
            c("pcpu_mem_zalloc", "return kzalloc(size, gfp);", "return kvzalloc(size, gfp);"),
            c("pcpu_mem_zalloc", "else", ""),
            c("pcpu_mem_zalloc", "return __vmalloc(size, gfp | __GFP_ZERO);", ""),
        ],
    },
    Harmless {
        name: "a warning that is never given",
        edits: &[c(
            "pcpu_reintegrate_chunk",
            "lockdep_assert_held(&pcpu_lock);",
            "{}\n\tWARN_ON_ONCE(chunk->immutable && chunk->isolated);",
        )],
    },
    Harmless {
        name: "the mutex is asserted",
        edits: &[
            c("pcpu_balance_free", "lockdep_assert_held(&pcpu_lock);", "lockdep_assert_held(&pcpu_alloc_mutex);\n\t{}"),
            vm(
                "pcpu_create_chunk",
                "chunk = pcpu_alloc_chunk(gfp);",
                "lockdep_assert_held(&pcpu_alloc_mutex);\n\n\t{}",
            ),
        ],
    },
    Harmless {
        name: "pages are freed from the last to the first",
        edits: &[vm(
            "pcpu_free_pages",
            "for (i = page_start; i < page_end; i++)",
            "for (i = page_end - 1; i >= page_start; i--)",
        )],
    },
    Harmless {
        name: "the number of empty pages is read with pcpu_lock",
        edits: &[
            c("pcpu_alloc_noprof", "unsigned long flags;", "{}\n\tbool low;"),
            c(
                "pcpu_alloc_noprof",
                "if (pcpu_nr_empty_pop_pages < PCPU_EMPTY_POP_PAGES_LOW)",
                "spin_lock_irqsave(&pcpu_lock, flags);\n\
                 \tlow = pcpu_nr_empty_pop_pages < PCPU_EMPTY_POP_PAGES_LOW;\n\
                 \tspin_unlock_irqrestore(&pcpu_lock, flags);\n\tif (low)",
            ),
        ],
    },
];

/// Other designs, each as legal as the tree's.
pub const DESIGNS: &[Harmless] = &[
    Harmless {
        name: "two free chunks are kept",
        edits: &[c(
            "pcpu_balance_free",
            "if (chunk == list_first_entry(free_head, struct pcpu_chunk, list))",
            "if (chunk->list.prev == free_head || chunk->list.prev == free_head->next)",
        )],
    },
    Harmless {
        name: "balance work is queued by every fourth free that wants it",
        edits: &[
            c("free_percpu", "bool need_balance = false;", "{}\n\tstatic unsigned int pcpu_frees;"),
            c("free_percpu", "if (need_balance)", "if (need_balance && ++pcpu_frees % 4 == 0)"),
        ],
    },
    Harmless {
        name: "the emptiest chunks are searched first",
        edits: &[c(
            "pcpu_alloc_noprof",
            "for (slot = pcpu_size_to_slot(size); slot <= pcpu_free_slot; slot++)",
            "for (slot = pcpu_free_slot; slot >= pcpu_size_to_slot(size); slot--)",
        )],
    },
    Harmless {
        name: "empty pages are not reclaimed",
        edits: &[c("pcpu_balance_workfn", "pcpu_reclaim_populated();", "")],
    },
];
