/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: memory control groups are numbers of the host, carried as pointers */
#ifndef PERCUSS_LINUX_MEMCONTROL_H
#define PERCUSS_LINUX_MEMCONTROL_H
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>

struct obj_cgroup;
struct mem_cgroup;
enum memcg_stat_item { MEMCG_PERCPU_B = 1 };

#ifdef CONFIG_MEMCG
#define PERCUSS_OBJCG(objcg) ((u32)(unsigned long)(objcg))
#define memcg_kmem_online() percuss_kmem
#define memcg_kmem_enabled() percuss_kmem
#define mem_cgroup_kmem_disabled() (!percuss_kmem)

static inline struct obj_cgroup *current_obj_cgroup(void)
{
	return (struct obj_cgroup *)(unsigned long)PERCUSS(memcg_current);
}
static inline void obj_cgroup_get(struct obj_cgroup *objcg)
{
	PERCUSS(memcg_ref, PERCUSS_OBJCG(objcg), 1);
}
static inline void obj_cgroup_put(struct obj_cgroup *objcg)
{
	PERCUSS(memcg_ref, PERCUSS_OBJCG(objcg), -1);
}
static inline struct obj_cgroup *get_obj_cgroup_from_current(void)
{
	struct obj_cgroup *objcg = current_obj_cgroup();

	if (objcg)
		obj_cgroup_get(objcg);
	return objcg;
}
static inline int obj_cgroup_charge(struct obj_cgroup *objcg, gfp_t gfp, size_t size)
{
	return PERCUSS(memcg_charge, PERCUSS_OBJCG(objcg), (__force u32)gfp, size) ? 0 : -ENOMEM;
}
static inline void obj_cgroup_uncharge(struct obj_cgroup *objcg, size_t size)
{
	PERCUSS(memcg_uncharge, PERCUSS_OBJCG(objcg), size);
}
static inline struct mem_cgroup *obj_cgroup_memcg(struct obj_cgroup *objcg)
{
	return (struct mem_cgroup *)objcg;
}
static inline void mod_memcg_state(struct mem_cgroup *memcg, int item, int delta)
{
	if (item != MEMCG_PERCPU_B)
		percuss_loud("mod_memcg_state of another item");
	PERCUSS(memcg_stat, PERCUSS_OBJCG(memcg), delta);
}
#define __mod_memcg_state(memcg, item, delta) mod_memcg_state(memcg, item, delta)
#define obj_cgroup_is_root(objcg) ((void)(objcg), false)
#define get_obj_cgroup_from_memcg(...) ((struct obj_cgroup *)percuss_loud_ul("get_obj_cgroup_from_memcg"))
#else
#define memcg_kmem_online() false
#define memcg_kmem_enabled() false
#define mem_cgroup_kmem_disabled() true
#endif
#endif
