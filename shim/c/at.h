/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Call sites: which function and line of the tree a call to the host comes from. The macros stand between the headers
 * and percpu.c, so __func__ and __LINE__ are the tree's, whatever is inlined.
 */
#ifndef PERCUSS_AT_H
#define PERCUSS_AT_H

#define PERCUSS_AT									\
	({										\
		static const struct percuss_at at = { __func__, __FILE__, __LINE__ };	\
		/* a plain store for the processor, and no race where several threads call */	\
		__atomic_store_n(&percuss_h->at, &at, __ATOMIC_RELAXED);			\
	})

#define mutex_lock(l) (PERCUSS_AT, (mutex_lock)(l))
#define mutex_lock_killable(l) (PERCUSS_AT, (mutex_lock_killable)(l))
#define mutex_unlock(l) (PERCUSS_AT, (mutex_unlock)(l))
#define percuss_spin_lock(l, irq) (PERCUSS_AT, (percuss_spin_lock)(l, irq))
#define spin_lock(l) (PERCUSS_AT, (spin_lock)(l))
#define spin_lock_irq(l) (PERCUSS_AT, (spin_lock_irq)(l))
#define kzalloc(size, gfp) (PERCUSS_AT, (kzalloc)(size, gfp))
#define __vmalloc(size, gfp) (PERCUSS_AT, (__vmalloc)(size, gfp))
#define alloc_pages_node(node, gfp, order) (PERCUSS_AT, (alloc_pages_node)(node, gfp, order))
#define percuss_get_vm_areas(offsets, sizes, nr, align, gfp)				\
	(PERCUSS_AT, (percuss_get_vm_areas)(offsets, sizes, nr, align, gfp))
#define percuss_map_pages(addr, end, pages, shift) (PERCUSS_AT, (percuss_map_pages)(addr, end, pages, shift))
#define obj_cgroup_charge(objcg, gfp, size) (PERCUSS_AT, (obj_cgroup_charge)(objcg, gfp, size))
#define kvfree(ptr) (PERCUSS_AT, (kvfree)(ptr))
#define __free_page(page) (PERCUSS_AT, (__free_page)(page))
#define pcpu_free_vm_areas(vms, nr) (PERCUSS_AT, (pcpu_free_vm_areas)(vms, nr))
#define vunmap_range_noflush(start, end) (PERCUSS_AT, (vunmap_range_noflush)(start, end))
#define flush_cache_vmap(start, end) (PERCUSS_AT, (flush_cache_vmap)(start, end))
#define flush_cache_vunmap(start, end) (PERCUSS_AT, (flush_cache_vunmap)(start, end))
#define flush_tlb_kernel_range(start, end) (PERCUSS_AT, (flush_tlb_kernel_range)(start, end))
#define percuss_schedule_work(work) (PERCUSS_AT, (percuss_schedule_work)(work))
#define schedule_work(work) (PERCUSS_AT, (schedule_work)(work))
#endif
