/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: TLB flushes are events; the host knows which translations may be stale */
#ifndef PERCUSS_ASM_TLBFLUSH_H
#define PERCUSS_ASM_TLBFLUSH_H
#include <linux/pgtable.h>
#include <percuss/host.h>
static inline void flush_tlb_kernel_range(unsigned long start, unsigned long end)
{
	PERCUSS(flush_tlb, start, end);
}
#define flush_tlb_all() percuss_loud("flush_tlb_all")
#endif
