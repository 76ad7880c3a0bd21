/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: tracepoints are calls to the host */
#ifndef PERCUSS_TRACE_PERCPU_H
#define PERCUSS_TRACE_PERCPU_H
#include <percuss/host.h>

static inline void trace_percpu_alloc_percpu(unsigned long call_site, bool reserved, bool is_atomic, size_t size,
					     size_t align, void *base_addr, int off, void __percpu *ptr,
					     size_t bytes_alloc, gfp_t gfp)
{
	struct percuss_trace_alloc t = {
		.base_addr = (u64)base_addr,
		.ptr = (u64)ptr,
		.size = size,
		.align = align,
		.bytes_alloc = bytes_alloc,
		.gfp = (__force u32)gfp,
		.off = off,
		.reserved = reserved,
		.is_atomic = is_atomic,
	};

	PERCUSS(trace_alloc, &t);
}
#define trace_percpu_free_percpu(base_addr, off, ptr) PERCUSS(trace_free, (u64)(base_addr), off, (u64)(ptr))
#define trace_percpu_alloc_percpu_fail(reserved, is_atomic, size, align)			\
	PERCUSS(trace_alloc_fail, reserved, is_atomic, size, align)
#define trace_percpu_create_chunk(base_addr) PERCUSS(trace_create, (u64)(base_addr))
#define trace_percpu_destroy_chunk(base_addr) PERCUSS(trace_destroy, (u64)(base_addr))
#endif
