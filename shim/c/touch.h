/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is remembered while percpu.c runs: which maps were changed since the last release of pcpu_lock, and which chunks
 * since the last visit. Fixed arrays: the lists are short (one entry as a rule) and all of it is writable state of the
 * image, so a snapshot covers it.
 */

#define PERCUSS_MAX_TOUCHED 16
#define PERCUSS_MAX_VISIT 32

/* Keyed by the allocation map, or by the populated map as found inside its chunk. lo > hi: no block. */
struct percuss_touch {
	const void *map;
	u32 lo, hi;
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

static __always_inline void percuss_touch(const void *map, u32 lo, u32 hi)
{
	u32 i;

	for (i = 0; i < percuss_nr_touched; i++) {
		if (percuss_touched[i].map == map) {
			percuss_widen(&percuss_touched[i], lo, hi);
			return;
		}
	}
	/* More maps than this under one hold of the lock cannot be recorded without losing some. */
	if (percuss_nr_touched == PERCUSS_MAX_TOUCHED)
		percuss_loud("more than 16 maps changed under one hold of pcpu_lock");
	percuss_touched[percuss_nr_touched++] = (struct percuss_touch){ map, lo, hi };
}

static __always_inline void percuss_touch_bits(const void *map, long start, long nr, bool blocks)
{
	long first;

	if (nr <= 0)
		return;
	if (!blocks) {
		percuss_touch(map, U32_MAX, 0);
		return;
	}
	first = start / PCPU_BITMAP_BLOCK_BITS;
	percuss_touch(map, first ? first - 1 : 0, (start + nr - 1) / PCPU_BITMAP_BLOCK_BITS);
}

/*
 * The populated map is an array inside the chunk, the others are pointers. The boundary map is left out by name to save
 * an entry; one that gets in under another name matches no chunk and is ignored.
 */
#define PERCUSS_TOUCH(map, start, nr)								\
	do {											\
		if (!__builtin_strstr(#map, "bound_map"))					\
			percuss_touch_bits(map, start, nr,					\
					   _Generic((typeof(map) *)0, unsigned long **: true, default: false));	\
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
