// SPDX-License-Identifier: GPL-2.0-only
/* Kernel services that need more than a call to the host. */
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>
#include "image.h"

struct percuss_host *percuss_h;
struct work_struct *percuss_balance;

/* Every static lock of the image, in an order that is the same in every program; between bounds of the merge script. */
extern struct percuss_lock *const percuss_locks_start[] __attribute__((visibility("hidden")));
extern struct percuss_lock *const percuss_locks_end[] __attribute__((visibility("hidden")));

static bool percuss_has_name(const struct percuss_lock *lock)
{
	return lock->id == PERCUSS_LOCK_PCPU || lock->id == PERCUSS_LOCK_ALLOC_MUTEX;
}

/* Locks that a patch adds: static ones by their place in the table, those in allocated memory as the host says. */
u32 percuss_name_lock(struct percuss_lock *lock)
{
	struct percuss_lock *const *l;
	u32 nr = 0, id;

	for (l = percuss_locks_start; l < percuss_locks_end; l++) {
		if (*l == lock) {
			id = PERCUSS_LOCK_OTHER + min_t(u32, nr, PERCUSS_STATIC_LOCKS - 1);
			__atomic_store_n(&lock->id, id, __ATOMIC_RELAXED);
			return id;
		}
		nr += !percuss_has_name(*l);
	}
	id = PERCUSS_LOCK_OTHER + PERCUSS_STATIC_LOCKS + PERCUSS(name_lock, (u64)lock);
	/* Threads that take it at once name it alike. */
	__atomic_store_n(&lock->id, id, __ATOMIC_RELAXED);
	return id;
}

bool percuss_schedule_work(struct work_struct *work)
{
	if (work != percuss_balance)
		percuss_loud("schedule_work of another work item than pcpu_balance_work");
	PERCUSS(schedule_work);
	return true;
}

/* The array of pointers and the vm_structs it points to are one piece of host memory, which is also the handle. */
struct vm_struct **percuss_get_vm_areas(const unsigned long *offsets, const size_t *sizes, int nr, size_t align,
					gfp_t gfp)
{
	struct percuss_words all_offsets = { (const uint64_t *)offsets, nr };
	struct percuss_words all_sizes = { (const uint64_t *)sizes, nr };
	u64 extra = nr * (sizeof(struct vm_struct *) + sizeof(struct vm_struct));
	struct percuss_areas areas;
	struct vm_struct **vms;
	struct vm_struct *vm;
	int i;

	areas = PERCUSS(get_vm_areas, all_offsets, all_sizes, align, (__force u32)gfp, extra);
	vms = (void *)areas.handle;
	if (!vms)
		return NULL;
	vm = (struct vm_struct *)(vms + nr);
	for (i = 0; i < nr; i++) {
		vms[i] = &vm[i];
		vm[i].addr = (void *)(areas.base + offsets[i]);
		vm[i].size = sizes[i];
		vm[i].flags = VM_ALLOC;
	}
	return vms;
}

int percuss_map_pages(unsigned long addr, unsigned long end, struct page **pages, unsigned int page_shift)
{
	u32 nr = (end - addr) >> PAGE_SHIFT;
	u32 pfns[nr ?: 1];
	struct percuss_pfns all = { pfns, nr };
	u32 i;

	if (page_shift != PAGE_SHIFT)
		percuss_loud("mapping of huge pages");
	for (i = 0; i < nr; i++)
		pfns[i] = pages[i] ? percuss_pfn(pages[i]) : PERCUSS_NO_PFN;
	return PERCUSS(map_pages, addr, all, (__force u32)(GFP_KERNEL | __GFP_ZERO)) ? 0 : -ENOMEM;
}

/* Takes the place of the weak function in percpu.c, which walks page tables. */
void pcpu_populate_pte(unsigned long addr)
{
	PERCUSS(populate_pte, addr);
}
