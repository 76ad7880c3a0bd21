/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: boot memory is the host's; only pcpu_fc_alloc() uses the _from and _try_nid forms, so they mean unit areas */
#ifndef PERCUSS_LINUX_MEMBLOCK_H
#define PERCUSS_LINUX_MEMBLOCK_H
#include <linux/mm.h>
#include <linux/numa.h>
#include <asm/cache.h>

#define MEMBLOCK_ALLOC_ACCESSIBLE 0
#define MAX_DMA_ADDRESS (percuss_h->linear + 0x1000000)

static inline void *memblock_alloc(phys_addr_t size, phys_addr_t align)
{
	return (void *)PERCUSS(memblock_alloc, size, align);
}
static inline void *memblock_alloc_from(phys_addr_t size, phys_addr_t align, phys_addr_t min_addr)
{
	return (void *)PERCUSS(memblock_alloc_node, size, align, NUMA_NO_NODE);
}
static inline void *memblock_alloc_try_nid(phys_addr_t size, phys_addr_t align, phys_addr_t min_addr,
					   phys_addr_t max_addr, int nid)
{
	return (void *)PERCUSS(memblock_alloc_node, size, align, nid);
}
static inline void memblock_free(void *ptr, size_t size)
{
	PERCUSS(memblock_free, (u64)ptr, size);
}
#define memblock_alloc_or_panic(size, align)							\
	({											\
		phys_addr_t percuss_size = (size);						\
		void *percuss_ptr = memblock_alloc(percuss_size, align);			\
												\
		if (unlikely(!percuss_ptr))							\
			panic("%s: Failed to allocate %llu bytes\n", __func__, percuss_size);	\
		percuss_ptr;									\
	})
#endif
