// SPDX-License-Identifier: GPL-2.0-only
/*
 * Marked accesses under ThreadSanitizer. The kernel says with READ_ONCE() and WRITE_ONCE(), which are volatile, that an
 * access may race, and its own race detector (KCSAN) reports such a one beside an unmarked access only. So the image is
 * compiled with volatile told apart, which no run time for programs knows of: each is a relaxed atomic here. Compiled for
 * the host, without instrumentation; only part of an image that is built with ThreadSanitizer.
 */
#include <stdint.h>

/* The sanitizer's; the orders are those of its interface. */
enum { PERCUSS_RELAXED = 0 };

uint8_t __tsan_atomic8_load(const volatile uint8_t *at, int order);
uint16_t __tsan_atomic16_load(const volatile uint16_t *at, int order);
uint32_t __tsan_atomic32_load(const volatile uint32_t *at, int order);
uint64_t __tsan_atomic64_load(const volatile uint64_t *at, int order);
uint8_t __tsan_atomic8_fetch_add(volatile uint8_t *at, uint8_t n, int order);
uint16_t __tsan_atomic16_fetch_add(volatile uint16_t *at, uint16_t n, int order);
uint32_t __tsan_atomic32_fetch_add(volatile uint32_t *at, uint32_t n, int order);
uint64_t __tsan_atomic64_fetch_add(volatile uint64_t *at, uint64_t n, int order);

/*
 * Called before the access itself, which is not instrumented. A write is noted as one that adds 0, which
 * changes nothing.
 */
#define PERCUSS_MARKED(bytes, bits)                                                                                    \
	void __tsan_volatile_read##bytes(void *at)                                                                     \
	{                                                                                                              \
		__tsan_atomic##bits##_load(at, PERCUSS_RELAXED);                                                       \
	}                                                                                                              \
	void __tsan_volatile_write##bytes(void *at)                                                                    \
	{                                                                                                              \
		__tsan_atomic##bits##_fetch_add(at, 0, PERCUSS_RELAXED);                                               \
	}

PERCUSS_MARKED(1, 8)
PERCUSS_MARKED(2, 16)
PERCUSS_MARKED(4, 32)
PERCUSS_MARKED(8, 64)
