/* SPDX-License-Identifier: GPL-2.0-only */
/* stub: allocation profiling is off; it only counts */
#ifndef PERCUSS_LINUX_ALLOC_TAG_H
#define PERCUSS_LINUX_ALLOC_TAG_H
#include <linux/types.h>
#define alloc_hooks(call) (call)
#define mem_alloc_profiling_enabled() 0
#endif
