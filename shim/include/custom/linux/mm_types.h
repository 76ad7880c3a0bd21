/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: a page is only a place to store the chunk it belongs to (index or private, as the tree has it) */
#ifndef PERCUSS_LINUX_MM_TYPES_H
#define PERCUSS_LINUX_MM_TYPES_H
#include <percuss/host.h>
#include <linux/list.h>
#include <linux/numa.h>
#include <linux/pfn.h>
#include <asm/page.h>

struct page {
	unsigned long flags;
	unsigned long index;
	unsigned long private;
	unsigned long spare;
};

static __always_inline struct page *percuss_page(u32 pfn)
{
	return (struct page *)percuss_h->mem_map + pfn;
}
static __always_inline u32 percuss_pfn(const struct page *page)
{
	return page - (const struct page *)percuss_h->mem_map;
}
#define page_private(page) ((page)->private)
static inline void set_page_private(struct page *page, unsigned long private)
{
	page->private = private;
}
struct mm_struct;
struct vm_area_struct;
#endif
