/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is remembered while percpu.c runs: which maps were changed since the last release of pcpu_lock, and which chunks
 * since the last visit. Fixed arrays: the lists are short (one entry as a rule) and all of it is writable state of the
 * image, so a snapshot covers it.
 */

#define PERCUSS_MAX_TOUCHED 16
#define PERCUSS_MAX_VISIT 32

/*
 * Keyed by the map changed, or by chunk in the list for visits. lo > hi: no block. in_chunk: the map is certainly the
 * populated map, an array inside its chunk, so the chunk can be found without a list.
 */
struct percuss_touch {
	const void *map;
	u32 lo, hi;
	bool in_chunk;
};
static struct percuss_touch percuss_touched[PERCUSS_MAX_TOUCHED];
static u32 percuss_nr_touched;

/* Keyed by chunk. */
static struct percuss_touch percuss_since_visit[PERCUSS_MAX_VISIT];
static u32 percuss_nr_since_visit;
static bool percuss_visit_overflow;

static __always_inline void percuss_widen(struct percuss_touch *t, u32 lo, u32 hi)
{
	if (lo < t->lo)
		t->lo = lo;
	if (hi > t->hi)
		t->hi = hi;
}

static __always_inline void percuss_touch(const void *map, long start, long nr, bool in_chunk)
{
	long first = start / PCPU_BITMAP_BLOCK_BITS;
	u32 lo = first ? first - 1 : 0;
	u32 hi = (start + nr - 1) / PCPU_BITMAP_BLOCK_BITS;
	u32 i;

	if (nr <= 0)
		return;
	for (i = 0; i < percuss_nr_touched; i++) {
		if (percuss_touched[i].map == map) {
			percuss_widen(&percuss_touched[i], lo, hi);
			return;
		}
	}
	/* More maps than this under one hold of the lock cannot be recorded without losing some. */
	if (percuss_nr_touched == PERCUSS_MAX_TOUCHED)
		percuss_loud("more than 16 maps changed under one hold of pcpu_lock");
	percuss_touched[percuss_nr_touched++] = (struct percuss_touch){ map, lo, hi, in_chunk };
}

/*
 * Which map it is turns out at the release, when the chunks are walked anyway; a map of no chunk is ignored then. The
 * boundary map is left out by name, to save an entry.
 */
#define PERCUSS_TOUCH(map, start, nr)								\
	do {											\
		if (!__builtin_strstr(#map, "bound_map"))					\
			percuss_touch(map, start, nr,						\
				      _Generic((typeof(map) *)0, unsigned long **: false,	\
					       default: __builtin_strstr(#map, "->populated") != NULL));	\
	} while (0)

/* Memory that percpu.c gives back may be handed out again as another chunk: forget it. */
void percuss_forget(const void *freed);

/* Per-CPU memory is zeroed by the host, which knows what is mapped; anything else is an ordinary memset. */
static __always_inline void *percuss_memset(void *ptr, int value, size_t len)
{
	u64 addr = (u64)ptr;

	if (value == 0 && ((addr >= percuss_h->linear && addr < percuss_h->linear_end) ||
			   (addr >= percuss_h->vmalloc_start && addr < percuss_h->vmalloc_end))) {
		PERCUSS(zero, addr, len);
		return ptr;
	}
	return memset(ptr, value, len);
}
