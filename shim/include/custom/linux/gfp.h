/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: backing pages come from the host; the flags are the tree's own */
#ifndef PERCUSS_LINUX_GFP_H
#define PERCUSS_LINUX_GFP_H
#include <linux/gfp_types.h>
#include <linux/mm_types.h>
#include <linux/topology.h>

static inline bool gfpflags_allow_blocking(const gfp_t gfp)
{
	return (gfp & __GFP_DIRECT_RECLAIM) != 0;
}

static inline struct page *alloc_pages_node(int node, gfp_t gfp, unsigned int order)
{
	u32 pfn;

	if (order)
		percuss_loud("alloc_pages_node of order > 0");
	pfn = PERCUSS(alloc_page, node, (__force u32)gfp);
	return pfn == PERCUSS_NO_PFN ? NULL : percuss_page(pfn);
}
#define alloc_pages(gfp, order) alloc_pages_node(numa_mem_id(), gfp, order)
#define alloc_page(gfp) alloc_pages(gfp, 0)
#define alloc_pages_noprof(gfp, order) alloc_pages(gfp, order)
#define alloc_pages_node_noprof(node, gfp, order) alloc_pages_node(node, gfp, order)

static inline void __free_page(struct page *page)
{
	PERCUSS(free_page, percuss_pfn(page));
}
static inline void __free_pages(struct page *page, unsigned int order)
{
	if (order)
		percuss_loud("__free_pages of order > 0");
	__free_page(page);
}
#define alloc_pages_bulk_array(...) ((unsigned long)percuss_loud_ul("alloc_pages_bulk_array"))
#define alloc_pages_bulk(...) ((unsigned long)percuss_loud_ul("alloc_pages_bulk"))
#define __get_free_page(gfp) ((void)(gfp), (unsigned long)percuss_loud_ul("__get_free_page"))
#endif
