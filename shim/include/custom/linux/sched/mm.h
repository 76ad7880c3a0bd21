/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: gfp scopes live in the host's task; the rules are the kernel's: NOIO forbids IO and FS, NOFS forbids FS */
#ifndef PERCUSS_LINUX_SCHED_MM_H
#define PERCUSS_LINUX_SCHED_MM_H
#include <linux/gfp.h>
#include <linux/sched.h>

static inline gfp_t current_gfp_context(gfp_t flags)
{
	u32 scopes = PERCUSS(scopes);

	if (unlikely(scopes & PERCUSS_SCOPE_NOIO))
		return flags & ~(__GFP_IO | __GFP_FS);
	if (unlikely(scopes & PERCUSS_SCOPE_NOFS))
		return flags & ~__GFP_FS;
	return flags;
}

#define PERCUSS_SCOPE_FNS(name, scope)								\
	static inline unsigned int memalloc_##name##_save(void)					\
	{											\
		return PERCUSS(scope_save, scope);						\
	}											\
	static inline void memalloc_##name##_restore(unsigned int flags)			\
	{											\
		PERCUSS(scope_restore, scope, flags);						\
	}
PERCUSS_SCOPE_FNS(noio, PERCUSS_SCOPE_NOIO)
PERCUSS_SCOPE_FNS(nofs, PERCUSS_SCOPE_NOFS)
PERCUSS_SCOPE_FNS(noreclaim, PERCUSS_SCOPE_MEMALLOC)

/*
 * Newer trees: the scope that fits a mask, for callees that take none. What is returned says which scope to leave, and
 * how; 0 is none.
 */
#define PERCUSS_SCOPE_SHIFT 8
static inline unsigned int percuss_apply_gfp_scope(gfp_t gfp)
{
	u32 scope = 0;

	/* An allocation that may fail must not cause OOM kills either. No caller has a mask with FS and without IO. */
	if (!(gfp & __GFP_DIRECT_RECLAIM) || (gfp & (__GFP_RETRY_MAYFAIL | __GFP_NORETRY)))
		scope = PERCUSS_SCOPE_MEMALLOC;
	else if (!(gfp & (__GFP_IO | __GFP_FS)))
		scope = PERCUSS_SCOPE_NOIO;
	else if (!(gfp & __GFP_FS))
		scope = PERCUSS_SCOPE_NOFS;
	return scope ? scope << PERCUSS_SCOPE_SHIFT | PERCUSS(scope_save, scope) : 0;
}
static inline void memalloc_restore_scope(unsigned int flags)
{
	if (flags)
		PERCUSS(scope_restore, flags >> PERCUSS_SCOPE_SHIFT, flags & ((1 << PERCUSS_SCOPE_SHIFT) - 1));
}
/* A call leaves a mark, as in vmalloc.h. */
#define memalloc_apply_gfp_scope(gfp)								\
	({											\
		static const char percuss_mark __attribute__((used, retain, section("percuss_gfp_scope"))) = 1;	\
		percuss_apply_gfp_scope(gfp);							\
	})

#define memalloc_flags_save(flags) ((void)(flags), (unsigned int)percuss_loud_ul("memalloc_flags_save"))
#define memalloc_flags_restore(flags) ((void)(flags), percuss_loud("memalloc_flags_restore"))
#define memalloc_pin_save() ((unsigned int)percuss_loud_ul("memalloc_pin_save"))
#define memalloc_pin_restore(flags) ((void)(flags), percuss_loud("memalloc_pin_restore"))
#endif
