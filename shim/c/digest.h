/* SPDX-License-Identifier: GPL-2.0-only */
/* The digests defined in percuss_abi.h, over the allocator's own structures. */

_Static_assert(sizeof(struct pcpu_block_md) == 8 * sizeof(int), "a block is read as eight ints");

static __always_inline u64 percuss_mix(u64 h, u64 v)
{
	/* Not rol64(): it is instrumented, and so cannot be inlined here. */
	u64 product = (h ^ v) * 0x9e3779b97f4a7c15ULL;

	return product << 29 | product >> 35;
}

static __always_inline u64 percuss_pair(u32 a, u32 b)
{
	return a | (u64)b << 32;
}

static __always_inline u64 percuss_md(u64 h, const struct pcpu_block_md *md)
{
	u64 w[4];

	/* Little endian: two ints side by side are pair() of them. */
	__builtin_memcpy(w, md, sizeof(w));
	h = percuss_mix(h, w[0]);
	h = percuss_mix(h, w[1]);
	h = percuss_mix(h, w[2]);
	return percuss_mix(h, w[3]);
}

static __always_inline u64 percuss_id(const struct pcpu_chunk *chunk)
{
	return (u64)chunk->base_addr - percuss_h->static_image + (chunk == pcpu_reserved_chunk);
}

static __always_inline u64 percuss_header(const struct pcpu_chunk *chunk)
{
	u64 h = percuss_mix(0x63, percuss_id(chunk));

	h = percuss_mix(h, percuss_pair(chunk->free_bytes, chunk->nr_empty_pop_pages));
	h = percuss_mix(h, percuss_pair(chunk->nr_populated, chunk->nr_pages));
	h = percuss_mix(h, percuss_pair(chunk->nr_alloc, chunk->immutable | chunk->isolated << 1));
	h = percuss_mix(h, chunk->max_alloc_size);
	return percuss_md(h, &chunk->chunk_md);
}

static __always_inline u64 percuss_chunk_part(const struct pcpu_chunk *chunk, u32 lo, u32 hi)
{
	u64 h = percuss_header(chunk);
	u32 blocks = chunk->nr_pages * PAGE_SIZE / PCPU_BITMAP_BLOCK_SIZE;
	u32 i;

	if (hi >= blocks)
		hi = blocks - 1;
	for (i = lo; i <= hi && lo <= hi; i++)
		h = percuss_md(h, chunk->md_blocks + i);
	return h;
}

static __always_inline u64 percuss_digest_globals(void)
{
	u64 h = percuss_mix(0x70, percuss_pair(pcpu_nr_empty_pop_pages, pcpu_atomic_alloc_failed));

	h = percuss_mix(h, pcpu_nr_populated);
	h = percuss_mix(h, pcpu_stats.nr_alloc);
	h = percuss_mix(h, pcpu_stats.nr_dealloc);
	h = percuss_mix(h, pcpu_stats.nr_cur_alloc);
	h = percuss_mix(h, pcpu_stats.nr_max_alloc);
	h = percuss_mix(h, percuss_pair(pcpu_stats.nr_chunks, pcpu_stats.nr_max_chunks));
	return percuss_mix(h, percuss_pair(pcpu_stats.min_alloc_size, pcpu_stats.max_alloc_size));
}

static void percuss_note_visit(struct pcpu_chunk *chunk, u32 lo, u32 hi)
{
	u32 i;

	if (percuss_h->threads)
		return;
	for (i = 0; i < percuss_nr_since_visit; i++) {
		if (percuss_since_visit[i].map == chunk) {
			percuss_widen(&percuss_since_visit[i], lo, hi);
			return;
		}
	}
	if (percuss_nr_since_visit == PERCUSS_MAX_VISIT) {
		percuss_visit_overflow = true;
		return;
	}
	percuss_since_visit[percuss_nr_since_visit++] = (struct percuss_touch){ chunk, lo, hi, false };
}

/*
 * Sums up the entries that are about this chunk, and takes them out of the list. Both maps of a chunk may be listed; the
 * part is computed once, over the union.
 */
static __always_inline u64 percuss_take(struct pcpu_chunk *chunk)
{
	struct percuss_touch sum = { NULL, U32_MAX, 0 };
	bool found = false;
	u32 i = 0;

	while (i < percuss_nr_touched) {
		struct percuss_touch t = percuss_touched[i];

		if (t.map != chunk->alloc_map && t.map != chunk->populated) {
			i++;
			continue;
		}
		found = true;
		/* Populating changes no block. */
		if (t.map == chunk->alloc_map)
			percuss_widen(&sum, t.lo, t.hi);
		percuss_touched[i] = percuss_touched[--percuss_nr_touched];
	}
	if (!found)
		return 0;
	percuss_note_visit(chunk, sum.lo, sum.hi);
	return percuss_chunk_part(chunk, sum.lo, sum.hi);
}

/* A chunk that is being emptied stands on a list of the function that does it: only its populated map gives it away. */
static noinline u64 percuss_take_unlisted(void)
{
	u64 sum = 0;

	while (percuss_nr_touched) {
		struct percuss_touch t = percuss_touched[0];

		if (t.in_chunk)
			sum += percuss_take(container_of(t.map, struct pcpu_chunk, populated[0]));
		else
			percuss_touched[0] = percuss_touched[--percuss_nr_touched];
	}
	return sum;
}

u64 percuss_release_digest(void)
{
	u64 h = percuss_digest_globals();
	u64 sum = 0;
	struct pcpu_chunk *chunk;
	int slot;

	/* For measuring what the digest costs. */
	if (IS_ENABLED(PERCUSS_NO_DIGEST))
		return percuss_nr_touched = 0;
	/* The lock is taken for the first time before there are lists. */
	for (slot = 0; pcpu_chunk_lists && slot < pcpu_nr_slots; slot++) {
		list_for_each_entry(chunk, &pcpu_chunk_lists[slot], list) {
			h = percuss_mix(h, (u64)slot << 48 ^ percuss_id(chunk));
			if (percuss_nr_touched)
				sum += percuss_take(chunk);
		}
	}
	if (unlikely(percuss_nr_touched)) {
		if (pcpu_reserved_chunk)
			sum += percuss_take(pcpu_reserved_chunk);
		sum += percuss_take_unlisted();
	}
	return percuss_mix(h, sum);
}

/* Most words of a map are 0 and most of those have neighbours that are. */
#define PERCUSS_STRIDE 8

static u64 percuss_words(const unsigned long *map, unsigned long bits)
{
	unsigned long words = BITS_TO_LONGS(bits);
	unsigned long i = 0, end, any, k;
	u64 sum = 0;

	while (i < words) {
		end = min(i + PERCUSS_STRIDE, words);
		for (any = 0, k = i; k < end; k++)
			any |= map[k];
		for (; any && i < end; i++)
			if (map[i])
				sum += percuss_mix(percuss_mix(0x77, i), map[i]);
		i = end;
	}
	return sum;
}

static u64 percuss_chunk_whole(const struct pcpu_chunk *chunk)
{
	unsigned long bits = chunk->nr_pages * PAGE_SIZE / PCPU_MIN_ALLOC_SIZE;
	u32 blocks = chunk->nr_pages * PAGE_SIZE / PCPU_BITMAP_BLOCK_SIZE;
	u64 h = percuss_header(chunk);
	u64 sum = 0;
	u32 i;

	for (i = 0; i < blocks; i++)
		sum += percuss_md(percuss_mix(0x62, i), chunk->md_blocks + i);
	h = percuss_mix(h, sum);
	h = percuss_mix(h, percuss_words(chunk->alloc_map, bits));
	h = percuss_mix(h, percuss_words(chunk->bound_map, bits + 1));
	return percuss_mix(h, percuss_words(chunk->populated, chunk->nr_pages));
}

static uint64_t percuss_digest_all(void)
{
	u64 h = percuss_digest_globals();
	u64 sum = 0;
	struct pcpu_chunk *chunk;
	int slot;

	for (slot = 0; pcpu_chunk_lists && slot < pcpu_nr_slots; slot++) {
		list_for_each_entry(chunk, &pcpu_chunk_lists[slot], list) {
			h = percuss_mix(h, (u64)slot << 48 ^ percuss_id(chunk));
			sum += percuss_chunk_whole(chunk);
		}
	}
	if (pcpu_reserved_chunk)
		sum += percuss_chunk_whole(pcpu_reserved_chunk);
	return percuss_mix(h, sum);
}

void percuss_forget(const void *freed)
{
	u32 i;

	/* Another thread may be in the middle of a hold of pcpu_lock; what it touches is not what is freed here. */
	if (percuss_h->threads)
		return;
	for (i = 0; i < percuss_nr_since_visit; i++) {
		if (percuss_since_visit[i].map == freed) {
			percuss_since_visit[i] = percuss_since_visit[--percuss_nr_since_visit];
			break;
		}
	}
	i = 0;
	while (i < percuss_nr_touched) {
		const void *map = percuss_touched[i].map;

		if (map == freed || map == ((const struct pcpu_chunk *)freed)->populated)
			percuss_touched[i] = percuss_touched[--percuss_nr_touched];
		else
			i++;
	}
}
