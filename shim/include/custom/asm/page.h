/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: 4K pages; physical address 0 is where the host says frame 0 is */
#ifndef PERCUSS_ASM_PAGE_H
#define PERCUSS_ASM_PAGE_H
#include <linux/const.h>
#include <percuss/host.h>
#undef PAGE_SHIFT
#undef PAGE_SIZE
#undef PAGE_MASK
#define PAGE_SHIFT 12
#define PAGE_SIZE (_AC(1, UL) << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define PMD_SHIFT 21
#define PMD_SIZE (_AC(1, UL) << PMD_SHIFT)
#define __pa(x) ((unsigned long)(x) - percuss_h->linear)
#define __va(x) ((void *)((unsigned long)(x) + percuss_h->linear))
#define virt_to_phys(x) ((phys_addr_t)__pa(x))
#define phys_to_virt(x) __va(x)
#endif
