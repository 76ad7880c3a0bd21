/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one boundary between an image (the percpu allocator of a tree, compiled with the shim headers) and the host (the
 * World, through shim/src). Plain C types only: the kernel side of an image never sees a libc header and the host never
 * sees a kernel header, so both include just this file. bindgen reads it.
 *
 * Addresses cross as uint64_t, absolute (pointers into the host's arena), 0 being NULL. Sizes are in bytes. Flags are the
 * tree's own gfp bits. Every host function gets `ctx` first. A host function may never return: the fiber that called it is then abandoned
 * and the image's writable state is restored from a snapshot, so image code must not keep anything outside that state
 * and the arena.
 */
#ifndef PERCUSS_ABI_H
#define PERCUSS_ABI_H

#include <stdint.h>

/*
 * Changes when a struct or a number below changes. The services have a number of their own, PERCUSS_SERVICES_HASH, that
 * follows from the table; both are compared when an image is loaded.
 */
#define PERCUSS_ABI_VERSION 6

/*
 * Locks are small numbers; 0 is a lock that has none yet. Others get PERCUSS_LOCK_OTHER + index. The first
 * PERCUSS_STATIC_LOCKS indexes are for static locks, by their place in the image, which is the same in every program; those
 * in allocated memory follow, and the host numbers them.
 */
#define PERCUSS_LOCK_PCPU 1        /* pcpu_lock */
#define PERCUSS_LOCK_ALLOC_MUTEX 2 /* pcpu_alloc_mutex */
#define PERCUSS_LOCK_OTHER 16
#define PERCUSS_STATIC_LOCKS 8

/* How a spinlock call treats interrupts. */
#define PERCUSS_IRQ_NONE 0 /* spin_lock / spin_unlock */
#define PERCUSS_IRQ_OFF 1  /* spin_lock_irq / spin_unlock_irq: off, then unconditionally on */
#define PERCUSS_IRQ_SAVE 2 /* spin_lock_irqsave / spin_unlock_irqrestore */

/* Diagnostics: a number below PERCUSS_DIAG_CONT is a printk() at that level of the kernel log. */
#define PERCUSS_DIAG_CONT 0x100  /* continuation of a line */
#define PERCUSS_DIAG_WARN 0x101  /* WARN, WARN_ON and their once forms */
#define PERCUSS_DIAG_STACK 0x102 /* dump_stack() */
#define PERCUSS_DIAG_BUG 0x103   /* BUG, BUG_ON: does not return */
#define PERCUSS_DIAG_PANIC 0x104 /* panic(): does not return */
#define PERCUSS_DIAG_LOUD 0x105  /* a path the shim does not model: does not return; the text names it */

/* gfp scopes (memalloc_*_save) as bits; a mask of those in force for the current task. */
#define PERCUSS_SCOPE_NOIO 1
#define PERCUSS_SCOPE_NOFS 2
#define PERCUSS_SCOPE_MEMALLOC 4

/* As many integer arguments of a diagnostic are passed on, which is more than any message of percpu.c has that matters. */
#define PERCUSS_DIAG_ARGS 4

/* No page. */
#define PERCUSS_NO_PFN 0xffffffffu

/* Numbers in memory of the caller, which live during the call. */
struct percuss_words {
	const uint64_t *at;
	uint64_t nr;
};

/* Frame numbers in memory of the caller, which live during the call. */
struct percuss_pfns {
	const uint32_t *at;
	uint64_t nr;
};

/* Congruent vm areas: get_vm_areas says what the addresses are. Handle 0: there are none. */
struct percuss_areas {
	uint64_t handle;
	uint64_t base;
};

/* The fields of the tracepoint percpu_alloc_percpu; sizes in bytes, as the kernel rounded them. */
struct percuss_trace_alloc {
	uint64_t base_addr;
	uint64_t ptr;
	uint64_t size;
	uint64_t align;
	uint64_t bytes_alloc;   /* over all CPUs and the object extension */
	uint64_t gfp;
	int32_t off;            /* bytes from base_addr */
	uint8_t reserved;       /* 0 or 1 */
	uint8_t is_atomic;      /* 0 or 1 */
	uint8_t pad[2];
};

/* struct percuss_services: one function per row of crates/kernel/src/services.rs. */
#include "percuss_services.h"
/* PERCUSS_NR_GFP and PERCUSS_GFP_FLAGS: the rows of crates/kernel/src/gfp_flags.rs. */
#include "percuss_gfp.h"

/* A place in the tree's source; the strings are literals. */
struct percuss_at {
	const char *function, *file;
	uint32_t line;          /* from 1 */
};

/* A change of what pcpu_lock protects, from its release to the next time that it was taken. */
struct percuss_change {
	uint64_t chunk;         /* base_addr; 0 for a global */
	const char *field;      /* a literal: which value, as a noun */
	int64_t before, after;  /* of a list: slots, -2 for none */
	const struct percuss_at *released, *taken;
};

/* What the host provides. It outlives the image's calls; the host fills it before attach(). */
struct percuss_host {
	void *ctx;              /* the first argument of every service */

	/* Where the tree's code is that made the call now running; written by the image, for reports. */
	const struct percuss_at *at;

	/*
	 * Not 0: several threads call the image at once. Touched chunks are not visited then, and what was touched is only
	 * noted from one release of pcpu_lock to the next, under it.
	 */
	uint32_t threads;

	/* Not 0: what pcpu_lock protects is compared each time that it is taken. Of one thread only. */
	uint32_t watch;

	/* Set by the image, and cleared by the host: what changed while pcpu_lock was free, the first time. */
	const struct percuss_change *change;

	/* Where things are in the arena, absolute; set before boot. */
	uint64_t mem_map;       /* struct page array, page_struct_size bytes per frame, zeroed */
	uint64_t linear;        /* address of frame 0: page_address(pfn) = linear + pfn * 4096, __pa(x) = x - linear */
	uint64_t linear_end;
	uint64_t vmalloc_start;
	uint64_t vmalloc_end;
	uint64_t static_image;  /* __per_cpu_start == __per_cpu_load; 4K aligned */

	struct percuss_services call;
};

/* Boot parameters. */
#define PERCUSS_FIRST_EMBED 0
#define PERCUSS_FIRST_PAGE 1
/*
 * pcpu_setup_first_chunk() with a hand-made pcpu_alloc_info: one group per node, in order of its lowest CPU, one unit per
 * CPU; dyn_size raised to PERCPU_DYNAMIC_EARLY_SIZE; unit_size 0: max(PCPU_MIN_UNIT_SIZE, the sum in whole pages). Memory
 * is asked for in this order: the alloc_info (kind 0), each group's area (kind 1, its node, atom_size aligned), first
 * chunk; then the alloc_info is freed. -ENOMEM when there is no memory for an area; the others are freed then, last to first.
 */
#define PERCUSS_FIRST_INFO 2

struct percuss_boot {
	uint64_t possible;      /* mask of possible CPUs, at least one; the lowest is the boot CPU */
	uint64_t static_size;
	uint64_t reserved_size;
	uint64_t dyn_size;
	uint64_t atom_size;
	uint64_t unit_size;     /* PERCUSS_FIRST_INFO only */
	uint32_t first;         /* PERCUSS_FIRST_* */
	uint32_t kmem;          /* kmem accounting enabled (memcg_kmem_online, !mem_cgroup_kmem_disabled) */
};

/* What boot made; also the Boot event. */
struct percuss_layout {
	uint64_t base_addr;     /* pcpu_base_addr */
	uint64_t unit_size;
	uint64_t atom_size;
	uint32_t nr_units;
	uint32_t nr_groups;
	uint32_t nr_slots;
	uint32_t low_cpu, high_cpu;
	uint32_t pad;
	int32_t unit_map[64];   /* CPU -> unit, -1 when not possible */
	uint64_t unit_offsets[64]; /* CPU -> offset from base_addr, 0 when not possible */
	uint64_t group_offsets[64];
	uint64_t group_sizes[64];
};

/* Facts of the tree and config that the Model takes as inputs. */
struct percuss_facts {
	uint32_t page_shift;
	uint32_t nr_cpus;           /* NR_CPUS */
	uint32_t chunk_fixed_size;  /* sizeof(struct pcpu_chunk), to which the populated bitmap is added */
	uint32_t block_md_size;     /* sizeof(struct pcpu_block_md) */
	uint32_t obj_ext_size;      /* bytes per object in the obj_exts/obj_cgroups vector, 0 without memcg */
	uint32_t page_struct_size;
	uint32_t vm_struct_size;
	uint32_t dyn_early_size;    /* PERCPU_DYNAMIC_EARLY_SIZE */
	uint32_t min_unit_size;     /* PCPU_MIN_UNIT_SIZE */
	uint32_t min_alloc_size;    /* PCPU_MIN_ALLOC_SIZE */
	uint32_t block_bits;        /* PCPU_BITMAP_BLOCK_BITS */
	uint32_t slot_base_shift;
	uint32_t slot_fail_threshold;
	uint32_t empty_pop_low, empty_pop_high;
	uint32_t has_memcg, has_stats, has_numa, is_km;
	uint32_t alloc_info_size;   /* sizeof(struct pcpu_alloc_info) without groups */
	uint32_t group_info_size;   /* sizeof(struct pcpu_group_info) */
	uint32_t cache_line;        /* SMP_CACHE_BYTES */
	uint32_t vm_areas_take_gfp; /* the tree's pcpu_get_vm_areas() has a gfp parameter */
	uint32_t map_takes_gfp;     /* its vmap_pages_range_noflush() has one */
	uint32_t has_gfp_scope;     /* it uses memalloc_apply_gfp_scope() */
	uint32_t chunk_in_private;  /* a page's chunk is noted in page->private, not page->index */
	/* The tree's value of each of PERCUSS_GFP_FLAGS, to prove that it is the World's. */
	uint32_t gfp[PERCUSS_NR_GFP];
};

/* One chunk as the image sees it, while the callback runs. */
struct percuss_chunk {
	uint64_t base_addr;
	int32_t slot;           /* list it is on; -1: reserved chunk; -2: on no list that can be reached */
	int32_t position;       /* from the head of that list */
	int32_t free_bytes;
	int32_t nr_pages, nr_populated, nr_empty_pop_pages;
	int32_t start_offset, end_offset;
	int32_t nr_alloc;
	uint32_t immutable, isolated, is_first, is_reserved;
	uint64_t max_alloc_size;
	int32_t md[8];          /* scan_hint, scan_hint_start, contig_hint, contig_hint_start, left_free, right_free, first_free, nr_bits */
	const int32_t *blocks;  /* nr_blocks records of 8 ints, laid out like md */
	uint32_t nr_blocks;
	uint32_t touched_lo, touched_hi; /* blocks touched since the last visit of touched chunks; lo > hi: header only */
	uint32_t pad;
	const uint64_t *alloc_map, *bound_map, *populated;
	uint32_t alloc_map_bits, pad2; /* bound_map has one bit more; populated nr_pages bits */
};

struct percuss_globals {
	int32_t nr_empty_pop_pages;
	uint32_t async_enabled, atomic_alloc_failed;
	uint32_t nr_chunks, nr_max_chunks;     /* pcpu_stats */
	int32_t nr_slots, free_slot, sidelined_slot, to_depopulate_slot;
	uint32_t pad;
	uint64_t nr_populated;
	uint64_t nr_alloc, nr_dealloc, nr_cur_alloc, nr_max_alloc;
	uint64_t min_alloc_size, max_alloc_size;
};

typedef void (*percuss_visit_fn)(void *ctx, const struct percuss_chunk *chunk);

struct percuss_range {
	void *start;
	uint64_t len;
};

/* A function that programs call by its name. */
struct percuss_call {
	const char *name;
	uint64_t (*function)(const uint64_t *args); /* nr_args of them */
	uint32_t nr_args;
	uint32_t pointers; /* bit i: argument i is a pointer; PERCUSS_CALL_RETURNS: the result is one */
};

#define PERCUSS_CALL_RETURNS 0x80000000

/* What an image provides. */
struct percuss_image {
	uint32_t abi_version;   /* PERCUSS_ABI_VERSION */
	uint32_t services_hash; /* PERCUSS_SERVICES_HASH */
	struct percuss_facts facts;

	/* Called once, before anything else; the host table stays owned by the caller and may be changed between programs. */
	void (*attach)(struct percuss_host *host);

	/* Sets up the first chunk and enables async work. 0, or the -errno of the first-chunk builder. */
	int32_t (*boot)(const struct percuss_boot *boot, struct percuss_layout *out);

	uint64_t (*alloc)(uint64_t size, uint64_t align, uint32_t reserved, uint32_t gfp); /* per-CPU pointer, 0 = NULL */
	void (*free)(uint64_t ptr);
	void (*balance)(void); /* the body of the work item: pcpu_balance_workfn */
	int32_t (*is_static)(uint64_t addr, uint64_t *can_addr); /* __is_kernel_percpu_address */
	uint64_t (*to_phys)(uint64_t addr);                      /* per_cpu_ptr_to_phys */
	uint64_t (*nr_pages)(void);                              /* pcpu_nr_pages */

	/* State, never called while image code runs on another fiber between lock and unlock of pcpu_lock. */
	void (*globals)(struct percuss_globals *out);
	void (*visit_all)(percuss_visit_fn fn, void *ctx);
	void (*visit_touched)(percuss_visit_fn fn, void *ctx);   /* chunks touched since the last call, then forgets */
	uint64_t (*digest_all)(void);
	/*
	 * The text of debugfs percpu_stats, by the tree's own code: its length, which may be more than there was room for, or a
	 * negative errno: -ENOSYS when the tree has no such text, -ENOMEM when the scratch memory is too small. That is an int
	 * for each area and each gap of a chunk.
	 */
	int64_t (*stats)(char *text, uint64_t size, void *scratch, uint64_t scratch_size);

	/* Writable state of the image, for snapshot and restore. */
	const struct percuss_range *ranges;
	uint32_t nr_ranges;
	uint32_t nr_counters;

	/*
	 * How often each part of the counted files ran, in an image that is compiled with coverage; none in others. No part
	 * of the state: a restore leaves them alone.
	 */
	uint64_t *counters;

	/* Only in an image that is compiled for certain programs. */
	const struct percuss_call *calls;
	uint32_t nr_calls;
};

/*
 * The digest of a release of pcpu_lock, the same in C and Rust. All arithmetic is on uint64_t and wraps; addresses enter
 * only as differences to host->static_image, so a digest does not depend on where the arena is.
 *
 *   mix(h, v)     = rotl((h ^ v) * 0x9e3779b97f4a7c15, 29)
 *   pair(a, b)    = (uint32_t)a | (uint64_t)(uint32_t)b << 32
 *   md(h, m)      = h mixed with pair(m[0], m[1]), pair(m[2], m[3]), pair(m[4], m[5]), pair(m[6], m[7])
 *   id(chunk)     = base_addr - static_image, plus 1 for the reserved chunk
 *   header(chunk) = mix(0x63, id), pair(free_bytes, nr_empty_pop_pages), pair(nr_populated, nr_pages),
 *                   pair(nr_alloc, immutable | isolated << 1), max_alloc_size, md(chunk_md)
 *
 * The digest of a release starts from h = 0x70 and mixes
 *   1. pair(nr_empty_pop_pages, atomic_alloc_failed), nr_populated, nr_alloc, nr_dealloc, nr_cur_alloc, nr_max_alloc,
 *      pair(nr_chunks, nr_max_chunks), pair(min_alloc_size, max_alloc_size);
 *   2. for every slot from 0 and every chunk on it from the head: slot << 48 ^ id(chunk);
 *   3. the wrapping sum, over the chunks touched since the last release, of header(chunk) mixed with md() of each block
 *      from touched_lo to touched_hi.
 * Touched: an area operation (bits [a, b) of the allocation map set or cleared, b > a) touches blocks
 * max(0, block(a) - 1) ..= block(b - 1), because the scan may update hints one block before; several on one chunk touch
 * the smallest range that holds all. Setting or clearing populated pages touches the header only, the boundary map
 * nothing. A chunk whose memory is given back is touched no more. At boot, hiding the ends of the first and the reserved
 * chunk are area operations; filling their populated maps is not.
 *
 * digest_all: the same with every chunk (lists in slot order, then the reserved chunk) touched in whole. A chunk's part is
 * header() mixed with blocks(), words(alloc_map) (as many as hold alloc_map_bits), words(bound_map) (one bit more) and
 * words(populated). These are sums, so that none of their terms waits for another:
 *
 *   blocks()   = the wrapping sum over all blocks of md(mix(0x62, i), block i)
 *   words(map) = the wrapping sum over the words w of the map that are not 0 of mix(mix(0x77, i), w)
 */

/* The one entry point of an image. */
const struct percuss_image *percuss_image(void);

#endif /* PERCUSS_ABI_H */
