/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The text of debugfs percpu_stats, by the tree's own mm/percpu-stats.c. It is read while no code of the allocator runs, so
 * pcpu_lock is not taken: that would be an event, and the text is no part of the run.
 */
#undef late_initcall
#undef spin_lock_irq
#undef spin_unlock_irq
#undef vmalloc
#undef vmalloc_array
#undef kvmalloc_array
#undef vfree
#undef kvfree
#undef P

#if !defined(PERCUSS_NO_STATS) && __has_include("mm/percpu-stats.c")
#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/sort.h>

/* Memory of the host, which the file asks for to sort areas in. */
static void *percuss_scratch;
static u64 percuss_scratch_size;

static void *percuss_scratch_get(u64 size)
{
	return size <= percuss_scratch_size ? percuss_scratch : NULL;
}

/* Shell's sort: short, and fast enough for the areas of one chunk. Equal sizes cannot be told apart. */
static void percuss_sort_ints(int *at, size_t nr, int (*cmp)(const void *, const void *))
{
	size_t gap, i, j;
	int v;

	for (gap = nr / 2; gap; gap /= 2) {
		for (i = gap; i < nr; i++) {
			v = at[i];
			for (j = i; j >= gap && cmp(&at[j - gap], &v) > 0; j -= gap)
				at[j] = at[j - gap];
			at[j] = v;
		}
	}
}

#define late_initcall(fn) static int (*const percuss_stats_init)(void) = fn
#define spin_lock_irq(lock) ((void)(lock))
#define spin_unlock_irq(lock) ((void)(lock))
#define vmalloc(size) percuss_scratch_get(size)
#define vmalloc_array(n, size) percuss_scratch_get((u64)(n) * (size))
#define kvmalloc_array(n, size, gfp) percuss_scratch_get((u64)(n) * (size))
#define vfree(ptr) ((void)(ptr))
#define kvfree(ptr) ((void)(ptr))
#define sort(base, nr, size, cmp, swap)								\
	do {											\
		BUILD_BUG_ON((size) != sizeof(int));						\
		percuss_sort_ints(base, nr, cmp);						\
	} while (0)

#include "mm/percpu-stats.c"

static int64_t percuss_stats(char *text, uint64_t size, void *scratch, uint64_t scratch_size)
{
	struct seq_file m = { .buf = text, .size = size };
	int rc;

	percuss_scratch = scratch;
	percuss_scratch_size = scratch_size;
	percuss_stats_init();
	rc = percuss_stats_fops->show(&m, NULL);
	/* What is left in the image's memory would be a difference between two snapshots of it. */
	percuss_scratch = NULL;
	percuss_scratch_size = 0;
	percuss_stats_fops = NULL;
	return rc < 0 ? rc : (int64_t)m.len;
}
#else
struct percpu_stats pcpu_stats;
struct pcpu_alloc_info pcpu_stats_ai;

static int64_t percuss_stats(char *text, uint64_t size, void *scratch, uint64_t scratch_size)
{
	return -ENOSYS;
}
#endif
