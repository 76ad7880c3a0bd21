/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: vm areas and page tables are the host's; older trees pass no gfp, so those calls are variadic here */
#ifndef PERCUSS_LINUX_VMALLOC_H
#define PERCUSS_LINUX_VMALLOC_H
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <asm/page.h>

#define VM_ALLOC 0x00000002
#define VMALLOC_START ((unsigned long)percuss_h->vmalloc_start)
#define VMALLOC_END ((unsigned long)percuss_h->vmalloc_end)
#define VMALLOC_TOTAL (VMALLOC_END - VMALLOC_START)

struct vm_struct {
	struct vm_struct *next;
	void *addr;
	unsigned long size;
	unsigned long flags;
};

static inline void *__vmalloc(unsigned long size, gfp_t gfp)
{
	return (void *)PERCUSS(vmalloc, size, (__force u32)gfp);
}
#define vzalloc(size) __vmalloc(size, GFP_KERNEL | __GFP_ZERO)
#define vmalloc(size) __vmalloc(size, GFP_KERNEL)
#define vfree(ptr) kvfree(ptr)

struct vm_struct **percuss_get_vm_areas(const unsigned long *offsets, const size_t *sizes, int nr, size_t align,
					gfp_t gfp);

/*
 * A call with a gfp at its end leaves a mark in a section of its own, which is how the image knows afterwards what the
 * tree does.
 */
#define PERCUSS_MARK_GFP(section_name, ...)							\
	({											\
		__VA_OPT__(static const char percuss_mark					\
			   __attribute__((used, retain, section(section_name))) = 1;)			\
		GFP_KERNEL;									\
	})
#define PERCUSS_FIRST(first, ...) (first)
#define pcpu_get_vm_areas(offsets, sizes, nr, align, ...)					\
	((void)PERCUSS_MARK_GFP("percuss_vm_gfp" __VA_OPT__(,) __VA_ARGS__),							\
	 percuss_get_vm_areas(offsets, sizes, nr, align, PERCUSS_FIRST(__VA_ARGS__ __VA_OPT__(,) GFP_KERNEL)))
static inline void pcpu_free_vm_areas(struct vm_struct **vms, int nr)
{
	PERCUSS(free_vm_areas, (u64)vms);
}
static inline void vm_area_register_early(struct vm_struct *vm, size_t align)
{
	vm->addr = (void *)PERCUSS(vm_area_early, vm->size, align);
}

/* Newer trees pass a gfp that only KMSAN's shadow uses; page tables are always asked for with GFP_PGTABLE_KERNEL. */
int percuss_map_pages(unsigned long addr, unsigned long end, struct page **pages, unsigned int page_shift);
#define vmap_pages_range_noflush(addr, end, prot, pages, page_shift, ...)			\
	((void)(prot), (void)PERCUSS_MARK_GFP("percuss_map_gfp" __VA_OPT__(,) __VA_ARGS__),	\
	 (void)PERCUSS_FIRST(__VA_ARGS__ __VA_OPT__(,) GFP_KERNEL),				\
	 percuss_map_pages(addr, end, pages, page_shift))
static inline void vunmap_range_noflush(unsigned long start, unsigned long end)
{
	PERCUSS(unmap_pages, start, (end - start) >> PAGE_SHIFT);
}
#define vmap(...) ((void *)percuss_loud_ul("vmap"))
#define vunmap(addr) ((void)(addr), percuss_loud("vunmap"))
#define vunmap_range(start, end) ((void)(start), percuss_loud("vunmap_range"))
#endif
