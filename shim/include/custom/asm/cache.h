/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: the cache line of x86 */
#ifndef PERCUSS_ASM_CACHE_H
#define PERCUSS_ASM_CACHE_H
#define L1_CACHE_SHIFT 6
#define L1_CACHE_BYTES (1 << L1_CACHE_SHIFT)
#define INTERNODE_CACHE_SHIFT 6
#define __read_mostly __attribute__((section(".data..read_mostly")))
#endif
