/* SPDX-License-Identifier: GPL-2.0-only */
/* Shows the allocator's state to the host: globals and chunks as plain records. */

static void percuss_globals(struct percuss_globals *out)
{
	*out = (struct percuss_globals){
		.nr_empty_pop_pages = pcpu_nr_empty_pop_pages,
		.async_enabled = pcpu_async_enabled,
		.atomic_alloc_failed = pcpu_atomic_alloc_failed,
		.nr_chunks = pcpu_stats.nr_chunks,
		.nr_max_chunks = pcpu_stats.nr_max_chunks,
		.nr_slots = pcpu_nr_slots,
		.free_slot = pcpu_free_slot,
		.sidelined_slot = pcpu_sidelined_slot,
		.to_depopulate_slot = pcpu_to_depopulate_slot,
		.nr_populated = pcpu_nr_populated,
		.nr_alloc = pcpu_stats.nr_alloc,
		.nr_dealloc = pcpu_stats.nr_dealloc,
		.nr_cur_alloc = pcpu_stats.nr_cur_alloc,
		.nr_max_alloc = pcpu_stats.nr_max_alloc,
		.min_alloc_size = pcpu_stats.min_alloc_size,
		.max_alloc_size = pcpu_stats.max_alloc_size,
	};
}

static void percuss_show(percuss_visit_fn fn, void *ctx, const struct pcpu_chunk *chunk, int slot, int position, u32 lo,
			 u32 hi)
{
	struct percuss_chunk c = {
		.base_addr = (u64)chunk->base_addr,
		.slot = slot,
		.position = position,
		.free_bytes = chunk->free_bytes,
		.nr_pages = chunk->nr_pages,
		.nr_populated = chunk->nr_populated,
		.nr_empty_pop_pages = chunk->nr_empty_pop_pages,
		.start_offset = chunk->start_offset,
		.end_offset = chunk->end_offset,
		.nr_alloc = chunk->nr_alloc,
		.immutable = chunk->immutable,
		.isolated = chunk->isolated,
		.is_first = chunk == pcpu_first_chunk,
		.is_reserved = chunk == pcpu_reserved_chunk,
		.max_alloc_size = chunk->max_alloc_size,
		.blocks = (const int32_t *)chunk->md_blocks,
		.nr_blocks = chunk->nr_pages * PAGE_SIZE / PCPU_BITMAP_BLOCK_SIZE,
		.touched_lo = lo,
		.touched_hi = hi,
		.alloc_map = (const uint64_t *)chunk->alloc_map,
		.bound_map = (const uint64_t *)chunk->bound_map,
		.populated = (const uint64_t *)chunk->populated,
		.alloc_map_bits = chunk->nr_pages * PAGE_SIZE / PCPU_MIN_ALLOC_SIZE,
	};

	__builtin_memcpy(c.md, &chunk->chunk_md, sizeof(c.md));
	if (lo <= hi && hi >= c.nr_blocks)
		c.touched_hi = c.nr_blocks - 1;
	fn(ctx, &c);
}

/* Takes a chunk out of the list of those touched since the last visit; false when it is not there. */
static bool percuss_take_visit(const struct pcpu_chunk *chunk, u32 *lo, u32 *hi)
{
	u32 i;

	for (i = 0; i < percuss_nr_since_visit; i++) {
		if (percuss_since_visit[i].map != chunk)
			continue;
		*lo = percuss_since_visit[i].lo;
		*hi = percuss_since_visit[i].hi;
		percuss_since_visit[i] = percuss_since_visit[--percuss_nr_since_visit];
		return true;
	}
	return false;
}

static void percuss_visit(percuss_visit_fn fn, void *ctx, bool all)
{
	struct pcpu_chunk *chunk;
	int slot, position;
	u32 lo = 0, hi = U32_MAX;

	for (slot = 0; pcpu_chunk_lists && slot < pcpu_nr_slots; slot++) {
		position = 0;
		list_for_each_entry(chunk, &pcpu_chunk_lists[slot], list) {
			if (all || percuss_take_visit(chunk, &lo, &hi))
				percuss_show(fn, ctx, chunk, slot, position, lo, hi);
			position++;
		}
	}
	if (pcpu_reserved_chunk && (all || percuss_take_visit(pcpu_reserved_chunk, &lo, &hi)))
		percuss_show(fn, ctx, pcpu_reserved_chunk, -1, 0, lo, hi);
}

static void percuss_visit_all(percuss_visit_fn fn, void *ctx)
{
	percuss_visit(fn, ctx, true);
}

static void percuss_visit_touched(percuss_visit_fn fn, void *ctx)
{
	percuss_visit(fn, ctx, percuss_visit_overflow);
	/* What is left is on no list: it belongs to a function that is emptying it. */
	while (percuss_nr_since_visit && !percuss_visit_overflow) {
		struct percuss_touch t = percuss_since_visit[--percuss_nr_since_visit];

		percuss_show(fn, ctx, t.map, -2, 0, t.lo, t.hi);
	}
	percuss_nr_since_visit = 0;
	percuss_visit_overflow = false;
}
