/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: flushes are events, although x86 needs none */
#ifndef PERCUSS_ASM_CACHEFLUSH_H
#define PERCUSS_ASM_CACHEFLUSH_H
#include <percuss/host.h>
static inline void flush_cache_vmap(unsigned long start, unsigned long end)
{
	PERCUSS(flush_cache, start, end, 0);
}
#define flush_cache_vmap_early(start, end) do { (void)(start); (void)(end); } while (0)
static inline void flush_cache_vunmap(unsigned long start, unsigned long end)
{
	PERCUSS(flush_cache, start, end, 1);
}
#endif
