// SPDX-License-Identifier: GPL-2.0-only
/*
 * The image: the tree's mm/percpu.c, unmodified, in one translation unit with the code that looks at its statics.
 *
 * All headers come first, so that the names redefined below are redefined for percpu.c alone.
 */
#include <linux/bitmap.h>
#include <linux/cpumask.h>
#include <linux/memblock.h>
#include <linux/err.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/pfn.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>
#include <linux/kmemleak.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/memcontrol.h>
#include <linux/pgalloc.h>
#include <asm/cacheflush.h>
#include <asm/sections.h>
#include <asm/tlbflush.h>
#include <asm/io.h>
#include <trace/events/percpu.h>

/* What an architecture and the core kernel define for percpu.c. */
unsigned long __per_cpu_offset[NR_CPUS];
struct cpumask __cpu_possible_mask;
unsigned int nr_cpu_ids = NR_CPUS;
unsigned int __num_possible_cpus = 1;
unsigned long percuss_static_size;
bool percuss_kmem;

#include "image.h"
#include "touch.h"

/* Initcalls and boot options are called by name. */
#undef subsys_initcall
#define subsys_initcall(fn)
#undef early_param
#define early_param(name, fn)
#undef pr_fmt

#define bitmap_set(map, start, nr)								\
	do {											\
		bitmap_set(map, start, nr);							\
		PERCUSS_TOUCH(map, start, nr);							\
	} while (0)
#define bitmap_clear(map, start, nr)								\
	do {											\
		bitmap_clear(map, start, nr);							\
		PERCUSS_TOUCH(map, start, nr);							\
	} while (0)
#define memset(ptr, value, len) percuss_memset(ptr, value, len)
#include "at.h"

#include "mm/percpu.c"

#undef bitmap_set
#undef bitmap_clear
#undef memset

/*
 * A fuzzer learns nothing from the code that looks at the allocator, nor does AddressSanitizer: what it looks at is memory
 * of the arena. It also looks at what percpu.c changes without a lock; ThreadSanitizer is to report races of percpu.c alone.
 */
#ifdef __clang__
#pragma clang attribute push(__attribute__((no_sanitize("address", "thread", "coverage"))), apply_to = function)
#endif
#include "stats.h"
#include "digest.h"
#include "guard.h"
#include "visit.h"
#ifdef __clang__
#pragma clang attribute pop
#endif
#include "boot.h"

static void percuss_attach(struct percuss_host *host)
{
	percuss_h = host;
	pcpu_lock.lock.id = PERCUSS_LOCK_PCPU;
	pcpu_alloc_mutex.lock.id = PERCUSS_LOCK_ALLOC_MUTEX;
	percuss_balance = &pcpu_balance_work;
}

static uint64_t percuss_alloc(uint64_t size, uint64_t align, uint32_t reserved, uint32_t gfp)
{
	/* Trees with allocation profiling made the entry points macros around one exported function. */
#ifdef __alloc_percpu_gfp
	return (uint64_t)pcpu_alloc_noprof(size, align, reserved, (__force gfp_t)gfp);
#else
	return (uint64_t)pcpu_alloc(size, align, reserved, (__force gfp_t)gfp);
#endif
}

static void percuss_free(uint64_t ptr)
{
	free_percpu((void __percpu *)ptr);
}

static void percuss_balance_fn(void)
{
	pcpu_balance_work.func(&pcpu_balance_work);
}

static int32_t percuss_is_static(uint64_t addr, uint64_t *can_addr)
{
	unsigned long can = 0;
	bool is = __is_kernel_percpu_address(addr, &can);

	*can_addr = can;
	return is;
}

static uint64_t percuss_to_phys(uint64_t addr)
{
	return per_cpu_ptr_to_phys((void *)addr);
}

static uint64_t percuss_nr_pages(void)
{
	return pcpu_nr_pages();
}

#ifdef PERCUSS_CALLS
/* Made for the image, by the prototypes of its tree. */
#include "percuss_calls.h"
#endif

/* Bounds of all writable state, made by the merge script (c/merge.ld). */
extern char percuss_state_start[] __attribute__((visibility("hidden")));
extern char percuss_state_end[] __attribute__((visibility("hidden")));
/* Marks that the tree's calls leave, in sections with bounds of the same making. */
#define PERCUSS_MARKS(section)									\
	extern const char section##_start[] __attribute__((visibility("hidden")));		\
	extern const char section##_end[] __attribute__((visibility("hidden")))
#define PERCUSS_MARKED(section) (section##_end - section##_start > 0)
PERCUSS_MARKS(percuss_vm_gfp);
PERCUSS_MARKS(percuss_map_gfp);
PERCUSS_MARKS(percuss_gfp_scope);

#ifdef PERCUSS_COVERAGE
/* Bounds of what the compiler counts with, made by the linker; the section is not there where nothing is counted. */
extern uint64_t percuss_counters_start[] __asm__("__start___llvm_prf_cnts") __attribute__((weak, visibility("hidden")));
extern uint64_t percuss_counters_end[] __asm__("__stop___llvm_prf_cnts") __attribute__((weak, visibility("hidden")));
#endif

/* Where the tree notes a page's chunk. */
static bool percuss_chunk_in_private(void)
{
	struct page page = { };

	pcpu_set_page_chunk(&page, (struct pcpu_chunk *)8);
	return page.private == 8;
}

#ifdef NEED_PCPUOBJ_EXT
#define PERCUSS_OBJ_EXT sizeof(struct pcpuobj_ext)
#elif defined(CONFIG_MEMCG)
#define PERCUSS_OBJ_EXT sizeof(struct obj_cgroup *)
#else
#define PERCUSS_OBJ_EXT 0
#endif

__attribute__((visibility("default"))) const struct percuss_image *percuss_image(void)
{
	static struct percuss_range range;
	static struct percuss_image image = {
		.abi_version = PERCUSS_ABI_VERSION,
		.services_hash = PERCUSS_SERVICES_HASH,
		.facts = {
			.page_shift = PAGE_SHIFT,
			.nr_cpus = NR_CPUS,
			.chunk_fixed_size = sizeof(struct pcpu_chunk),
			.block_md_size = sizeof(struct pcpu_block_md),
			.obj_ext_size = PERCUSS_OBJ_EXT,
			.page_struct_size = sizeof(struct page),
			.vm_struct_size = sizeof(struct vm_struct),
			.dyn_early_size = PERCPU_DYNAMIC_EARLY_SIZE,
			.min_unit_size = PCPU_MIN_UNIT_SIZE,
			.min_alloc_size = PCPU_MIN_ALLOC_SIZE,
			.block_bits = PCPU_BITMAP_BLOCK_BITS,
			.slot_base_shift = PCPU_SLOT_BASE_SHIFT,
			.slot_fail_threshold = PCPU_SLOT_FAIL_THRESHOLD,
			.empty_pop_low = PCPU_EMPTY_POP_PAGES_LOW,
			.empty_pop_high = PCPU_EMPTY_POP_PAGES_HIGH,
			.has_memcg = IS_ENABLED(CONFIG_MEMCG),
			.has_stats = IS_ENABLED(CONFIG_PERCPU_STATS),
			.has_numa = IS_ENABLED(CONFIG_NUMA),
			.is_km = IS_ENABLED(CONFIG_NEED_PER_CPU_KM),
			.alloc_info_size = sizeof(struct pcpu_alloc_info),
			.group_info_size = sizeof(struct pcpu_group_info),
			.cache_line = SMP_CACHE_BYTES,
			.gfp = PERCUSS_GFP_FLAGS,
		},
		.attach = percuss_attach,
		.boot = percuss_boot_first,
		.alloc = percuss_alloc,
		.free = percuss_free,
		.balance = percuss_balance_fn,
		.is_static = percuss_is_static,
		.to_phys = percuss_to_phys,
		.nr_pages = percuss_nr_pages,
		.globals = percuss_globals,
		.visit_all = percuss_visit_all,
		.visit_touched = percuss_visit_touched,
		.digest_all = percuss_digest_all,
		.stats = percuss_stats,
	};

	/* Addresses are only known once loaded, and link-time constants cannot be subtracted in an initializer. */
	range.start = percuss_state_start;
	range.len = percuss_state_end - percuss_state_start;
	image.ranges = &range;
	image.nr_ranges = 1;
#ifdef PERCUSS_CALLS
	image.calls = percuss_calls;
	image.nr_calls = sizeof(percuss_calls) / sizeof(percuss_calls[0]);
#endif
#ifdef PERCUSS_COVERAGE
	image.counters = percuss_counters_start;
	image.nr_counters = percuss_counters_end - percuss_counters_start;
#endif
	image.facts.vm_areas_take_gfp = PERCUSS_MARKED(percuss_vm_gfp);
	image.facts.map_takes_gfp = PERCUSS_MARKED(percuss_map_gfp);
	image.facts.has_gfp_scope = PERCUSS_MARKED(percuss_gfp_scope);
	image.facts.chunk_in_private = percuss_chunk_in_private();
	return &image;
}
