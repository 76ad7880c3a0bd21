/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: atomic bit operations as compiler builtins (a sanitizer sees them); the rest is asm-generic */
#ifndef PERCUSS_ASM_BITOPS_H
#define PERCUSS_ASM_BITOPS_H
#include <linux/compiler.h>
#include <asm/barrier.h>
#include <asm/types.h>
#include <asm-generic/bitops/builtin-ffs.h>
#include <asm-generic/bitops/builtin-__ffs.h>
#include <asm-generic/bitops/builtin-fls.h>
#include <asm-generic/bitops/builtin-__fls.h>
#include <asm-generic/bitops/ffz.h>
#include <asm-generic/bitops/fls64.h>
#include <asm-generic/bitops/hweight.h>
#include <asm-generic/bitops/non-atomic.h>

#define PERCUSS_BIT(nr) (1UL << ((nr) % (8 * sizeof(long))))
#define PERCUSS_WORD(addr, nr) ((volatile unsigned long *)(addr) + (nr) / (8 * sizeof(long)))

static __always_inline void set_bit(unsigned long nr, volatile unsigned long *addr)
{
	__atomic_fetch_or(PERCUSS_WORD(addr, nr), PERCUSS_BIT(nr), __ATOMIC_RELAXED);
}
static __always_inline void clear_bit(unsigned long nr, volatile unsigned long *addr)
{
	__atomic_fetch_and(PERCUSS_WORD(addr, nr), ~PERCUSS_BIT(nr), __ATOMIC_RELAXED);
}
static __always_inline void change_bit(unsigned long nr, volatile unsigned long *addr)
{
	__atomic_fetch_xor(PERCUSS_WORD(addr, nr), PERCUSS_BIT(nr), __ATOMIC_RELAXED);
}
static __always_inline bool test_and_set_bit(unsigned long nr, volatile unsigned long *addr)
{
	return __atomic_fetch_or(PERCUSS_WORD(addr, nr), PERCUSS_BIT(nr), __ATOMIC_SEQ_CST) & PERCUSS_BIT(nr);
}
static __always_inline bool test_and_clear_bit(unsigned long nr, volatile unsigned long *addr)
{
	return __atomic_fetch_and(PERCUSS_WORD(addr, nr), ~PERCUSS_BIT(nr), __ATOMIC_SEQ_CST) & PERCUSS_BIT(nr);
}
static __always_inline bool test_and_change_bit(unsigned long nr, volatile unsigned long *addr)
{
	return __atomic_fetch_xor(PERCUSS_WORD(addr, nr), PERCUSS_BIT(nr), __ATOMIC_SEQ_CST) & PERCUSS_BIT(nr);
}
#include <asm-generic/bitops/le.h>
#endif
