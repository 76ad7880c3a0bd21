/* SPDX-License-Identifier: GPL-2.0-only */
/* stub: kmemleak only watches; leaks are found by the ledger oracle */
#ifndef PERCUSS_LINUX_KMEMLEAK_H
#define PERCUSS_LINUX_KMEMLEAK_H
#define kmemleak_alloc_percpu(ptr, size, gfp) do { (void)(ptr); } while (0)
#define kmemleak_free_percpu(ptr) do { (void)(ptr); } while (0)
#define kmemleak_ignore_phys(phys) do { (void)(phys); } while (0)
#define kmemleak_not_leak(ptr) do { (void)(ptr); } while (0)
#define kmemleak_ignore(ptr) do { (void)(ptr); } while (0)
#endif
