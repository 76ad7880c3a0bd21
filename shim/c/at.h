/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Call sites: which function and line of the tree a call to the host comes from. The macros stand between the headers
 * and percpu.c, so __func__ and __LINE__ are the tree's, whatever is inlined. The name in parentheses is the function.
 */
#ifndef PERCUSS_AT_H
#define PERCUSS_AT_H

#define PERCUSS_AT									\
	({										\
		static const struct percuss_at at = { __func__, __FILE__, __LINE__ };	\
		/* a plain store for the processor, and no race where several threads call */	\
		__atomic_store_n(&percuss_h->at, &at, __ATOMIC_RELAXED);			\
	})

/* One macro per name in the `sites` of crates/kernel/src/services.rs, such as mutex_lock(...). */
#include "percuss_sites.h"
#endif
