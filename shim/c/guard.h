/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What pcpu_lock protects stays as it is while the lock is free: the state at each release is kept, and compared when the
 * lock is taken next. A digest would say that something changed and not what.
 */

/* Chunks that are compared. Few programs have more, and what comes after them on the lists is not looked at. */
#define PERCUSS_MAX_KEPT 32

#define PERCUSS_CHUNK_FIELDS 14
#define PERCUSS_GLOBAL_FIELDS 8

static struct percuss_kept {
	const struct pcpu_chunk *chunk;
	s64 slot;
	s64 fields[PERCUSS_CHUNK_FIELDS];
} percuss_kept[PERCUSS_MAX_KEPT];
static s64 percuss_kept_globals[PERCUSS_GLOBAL_FIELDS];
static u32 percuss_nr_kept, percuss_kept_touched;
static bool percuss_keeping;
static const struct percuss_at *percuss_kept_at;
static struct percuss_change percuss_change;

/* Each value with its name, in the order in which they are kept. */
#define PERCUSS_FIELDS_OF(chunk, F)								\
	F("free_bytes", chunk->free_bytes)							\
	F("nr_alloc", chunk->nr_alloc)								\
	F("max_alloc_size", chunk->max_alloc_size)						\
	F("nr_populated", chunk->nr_populated)							\
	F("nr_empty_pop_pages", chunk->nr_empty_pop_pages)					\
	F("isolated", chunk->isolated)								\
	F("immutable", chunk->immutable)							\
	F("contig_hint", chunk->chunk_md.contig_hint)						\
	F("contig_hint_start", chunk->chunk_md.contig_hint_start)				\
	F("scan_hint", chunk->chunk_md.scan_hint)						\
	F("scan_hint_start", chunk->chunk_md.scan_hint_start)					\
	F("left_free", chunk->chunk_md.left_free)						\
	F("right_free", chunk->chunk_md.right_free)						\
	F("first_free", chunk->chunk_md.first_free)

/* pcpu_atomic_alloc_failed is left out: the tree sets it without the lock, as a hint to the worker. */
#define PERCUSS_GLOBALS_OF(F)									\
	F("pcpu_nr_empty_pop_pages", pcpu_nr_empty_pop_pages)					\
	F("pcpu_nr_populated", pcpu_nr_populated)						\
	F("nr_alloc of the statistics", pcpu_stats.nr_alloc)					\
	F("nr_dealloc of the statistics", pcpu_stats.nr_dealloc)				\
	F("nr_cur_alloc of the statistics", pcpu_stats.nr_cur_alloc)				\
	F("nr_max_alloc of the statistics", pcpu_stats.nr_max_alloc)				\
	F("nr_chunks of the statistics", pcpu_stats.nr_chunks)					\
	F("nr_max_chunks of the statistics", pcpu_stats.nr_max_chunks)

/* Without branches: nearly always nothing differs, and which value it is matters only then. */
#define PERCUSS_KEEP(name, value) *to++ = (s64)(value);
#define PERCUSS_SAME(name, value) differs |= *from++ ^ (s64)(value);
#define PERCUSS_OTHER(name, value) other |= *from++ ^ (s64)(value);
#define PERCUSS_NAME(name, value)								\
	if (*from++ != (s64)(value))								\
		return percuss_changed(base, name, from[-1], (s64)(value));

static noinline void percuss_changed(u64 base, const char *field, s64 before, s64 after)
{
	percuss_change.chunk = base;
	percuss_change.field = field;
	percuss_change.before = before;
	percuss_change.after = after;
	percuss_change.released = percuss_kept_at;
	percuss_h->change = &percuss_change;
}

static noinline void percuss_name_global(void)
{
	const s64 *from = percuss_kept_globals;
	const u64 base = 0;

	PERCUSS_GLOBALS_OF(PERCUSS_NAME)
}

static noinline void percuss_name_field(const struct percuss_kept *kept, const struct pcpu_chunk *chunk)
{
	const s64 *from = kept->fields;
	const u64 base = (u64)chunk->base_addr;

	PERCUSS_FIELDS_OF(chunk, PERCUSS_NAME)
}

/* Another chunk stands where one was kept: names the chunk that is there now, and the list on which it was. */
static noinline void percuss_name_list(const struct pcpu_chunk *chunk, int slot)
{
	u32 i;

	for (i = 0; i < percuss_nr_kept; i++)
		if (percuss_kept[i].chunk == chunk)
			return percuss_changed((u64)chunk->base_addr, "the list", percuss_kept[i].slot, slot);
	percuss_changed((u64)chunk->base_addr, "the list", -2, slot);
}

static __always_inline void percuss_keep_chunk(const struct pcpu_chunk *chunk, int slot)
{
	struct percuss_kept *kept = &percuss_kept[percuss_nr_kept++];
	s64 *to = kept->fields;

	kept->chunk = chunk;
	kept->slot = slot;
	PERCUSS_FIELDS_OF(chunk, PERCUSS_KEEP)
}

/* The lock is about to be released, or the boot has ended. */
void percuss_keep(void)
{
	struct pcpu_chunk *chunk;
	s64 *to = percuss_kept_globals;
	int slot;

	/* Other threads change what they like between a release here and the next time that the lock is taken. */
	if (percuss_h->threads)
		return;
	percuss_nr_kept = 0;
	PERCUSS_GLOBALS_OF(PERCUSS_KEEP)
	for (slot = 0; pcpu_chunk_lists && slot < pcpu_nr_slots; slot++) {
		list_for_each_entry(chunk, &pcpu_chunk_lists[slot], list) {
			if (percuss_nr_kept == PERCUSS_MAX_KEPT)
				goto full;
			percuss_keep_chunk(chunk, slot);
		}
	}
full:
	percuss_kept_touched = percuss_nr_touched;
	percuss_kept_at = percuss_h->at;
	percuss_keeping = true;
}

static noinline void percuss_name_map(void)
{
	u32 i, k;

	for (i = percuss_kept_touched; i < percuss_nr_touched; i++)
		for (k = 0; k < percuss_nr_kept; k++)
			if (percuss_touched[i].map == percuss_kept[k].chunk->alloc_map ||
			    percuss_touched[i].map == percuss_kept[k].chunk->populated)
				percuss_changed((u64)percuss_kept[k].chunk->base_addr, "a map", 0, 1);
}

static void percuss_compare(void)
{
	struct pcpu_chunk *chunk;
	const s64 *from = percuss_kept_globals;
	s64 differs = 0;
	u32 i = 0;
	int slot;

	PERCUSS_GLOBALS_OF(PERCUSS_SAME)
	for (slot = 0; pcpu_chunk_lists && slot < pcpu_nr_slots; slot++) {
		list_for_each_entry(chunk, &pcpu_chunk_lists[slot], list) {
			const struct percuss_kept *kept = &percuss_kept[i];
			s64 other = 0;

			if (i == PERCUSS_MAX_KEPT)
				goto full;
			if (i == percuss_nr_kept || kept->chunk != chunk || kept->slot != slot)
				return percuss_name_list(chunk, slot);
			from = kept->fields;
			PERCUSS_FIELDS_OF(chunk, PERCUSS_OTHER)
			if (unlikely(other))
				return percuss_name_field(kept, chunk);
			i++;
		}
	}
	if (i != percuss_nr_kept)
		return percuss_changed(0, "the number of listed chunks", percuss_nr_kept, i);
full:
	if (unlikely(differs))
		return percuss_name_global();
	if (unlikely(percuss_nr_touched > percuss_kept_touched))
		percuss_name_map();
}

/* The lock was taken, from this place; nothing was done under it yet. */
void percuss_taken(const struct percuss_at *at)
{
	if (!percuss_keeping)
		return;
	percuss_keeping = false;
	/* What was kept before the threads came is not compared after they are gone. */
	if (percuss_h->threads || percuss_h->change)
		return;
	percuss_compare();
	percuss_change.taken = at;
}
