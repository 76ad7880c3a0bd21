/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: page, physical and virtual addresses of the host's arena */
#ifndef PERCUSS_LINUX_MM_H
#define PERCUSS_LINUX_MM_H
#include <linux/bug.h>
#include <linux/cache.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/mm_types.h>
#include <linux/mmdebug.h>
#include <linux/overflow.h>
#include <linux/pfn.h>
#include <linux/sched.h>
#include <linux/string.h>

#define page_to_pfn(page) ((unsigned long)percuss_pfn(page))
#define pfn_to_page(pfn) percuss_page(pfn)
#define nth_page(page, n) ((page) + (n))
#define page_to_phys(page) ((phys_addr_t)percuss_pfn(page) << PAGE_SHIFT)
#define page_address(page) ((void *)(percuss_h->linear + page_to_phys(page)))
#define virt_to_page(addr) percuss_page(__pa(addr) >> PAGE_SHIFT)

static inline bool is_vmalloc_addr(const void *addr)
{
	return (u64)addr >= percuss_h->vmalloc_start && (u64)addr < percuss_h->vmalloc_end;
}
static inline struct page *vmalloc_to_page(const void *addr)
{
	u32 pfn = PERCUSS(vmalloc_to_page, (u64)addr);

	return pfn == PERCUSS_NO_PFN ? NULL : percuss_page(pfn);
}
static inline void kvfree(const void *ptr)
{
	void percuss_forget(const void *freed);

	percuss_forget(ptr);
	PERCUSS(kvfree, (u64)ptr);
}
#ifndef offset_in_page
#define offset_in_page(p) ((unsigned long)(p) & ~PAGE_MASK)
#endif
#ifndef PAGE_ALIGN
#define PAGE_ALIGN(addr) ALIGN(addr, PAGE_SIZE)
#endif
#ifndef PAGE_ALIGNED
#define PAGE_ALIGNED(addr) IS_ALIGNED((unsigned long)(addr), PAGE_SIZE)
#endif
extern struct mm_struct init_mm;
#endif
