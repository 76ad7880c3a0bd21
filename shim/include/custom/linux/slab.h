/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: metadata comes from the host; what percpu.c does not use today is loud */
#ifndef PERCUSS_LINUX_SLAB_H
#define PERCUSS_LINUX_SLAB_H
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/vmalloc.h>

/* Boot memory comes from memblock, everything later from slab. */
#define slab_is_available() true

static inline void *kzalloc(size_t size, gfp_t gfp)
{
	return (void *)PERCUSS(kzalloc, size, (__force u32)gfp);
}
#define kcalloc(n, size, gfp) kzalloc(size_mul(n, size), gfp)
#define kfree(ptr) kvfree(ptr)
#define kmalloc(size, gfp) ((void)(size), (void)(gfp), (void *)percuss_loud_ul("kmalloc"))
#define kmalloc_array(n, size, gfp) ((void)(n), (void)(size), (void *)percuss_loud_ul("kmalloc_array"))
#define kmalloc_node(size, gfp, node) ((void)(size), (void *)percuss_loud_ul("kmalloc_node"))
#define kmalloc_array_node(n, size, gfp, node) ((void)(n), (void)(size), (void *)percuss_loud_ul("kmalloc_array_node"))
#define krealloc(ptr, size, gfp) ((void)(ptr), (void *)percuss_loud_ul("krealloc"))
#define kvmalloc(size, gfp) ((void)(size), (void *)percuss_loud_ul("kvmalloc"))
/*
 * Slab first, which may fail for more than a page without trying hard; then vmalloc, which sleeps. Both are events of
 * their own, so a fault can hit either.
 */
static inline void *kvzalloc(size_t size, gfp_t gfp)
{
	gfp_t slab = gfp;
	void *ptr;

	if (size > PAGE_SIZE) {
		slab = (gfp | __GFP_NOWARN) & ~__GFP_NOFAIL;
		if (!(gfp & __GFP_RETRY_MAYFAIL))
			slab |= __GFP_NORETRY;
	}
	ptr = kzalloc(size, slab);
	if (ptr || size <= PAGE_SIZE || !gfpflags_allow_blocking(gfp))
		return ptr;
	return __vmalloc(size, gfp | __GFP_ZERO);
}
#define kvcalloc(n, size, gfp) kvzalloc(size_mul(n, size), gfp)
#define kfree_rcu(ptr, field) ((void)(ptr), percuss_loud("kfree_rcu"))
#define kmem_cache_create(...) ((struct kmem_cache *)percuss_loud_ul("kmem_cache_create"))
#define kmem_cache_alloc(cache, gfp) ((void)(cache), (void *)percuss_loud_ul("kmem_cache_alloc"))
#define kmem_cache_zalloc(cache, gfp) ((void)(cache), (void *)percuss_loud_ul("kmem_cache_zalloc"))
#define kmem_cache_free(cache, ptr) ((void)(cache), percuss_loud("kmem_cache_free"))
#endif
