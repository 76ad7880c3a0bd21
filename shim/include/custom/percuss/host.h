/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: the host table and the ways an image reports to it; every other custom header is built on this one */
#ifndef PERCUSS_HOST_H
#define PERCUSS_HOST_H
#include <linux/compiler.h>
#include <linux/types.h>
#include "percuss_abi.h"

/* Set by attach(). */
extern struct percuss_host *percuss_h;
/* Boot parameters that kernel macros read. */
extern unsigned long percuss_static_size;
extern bool percuss_kmem;

/* PERCUSS(call, args...) calls one service of the host. */
#define PERCUSS(fn, ...) (percuss_h->call.fn(percuss_h->ctx, ##__VA_ARGS__))

/* A path that is not modelled: ends the program and names itself. */
void percuss_loud(const char *name) __attribute__((noreturn, cold));
/* The same where an expression with a value is wanted. */
static inline unsigned long percuss_loud_ul(const char *name)
{
	percuss_loud(name);
}
void percuss_bug(const char *file, int line) __attribute__((noreturn, cold));

/* Names a lock on first use. */
struct percuss_lock {
	u32 id;
};
/* Puts a static lock into the table of all. */
#define PERCUSS_STATIC_LOCK(x)									\
	static struct percuss_lock *const percuss_lock_of_##x					\
	__attribute__((used, retain, section("percuss_locks"))) = &(x).lock
u32 percuss_name_lock(struct percuss_lock *lock) __attribute__((cold));
static __always_inline u32 percuss_lock_id(struct percuss_lock *lock)
{
	u32 id = __atomic_load_n(&lock->id, __ATOMIC_RELAXED);

	return likely(id) ? id : percuss_name_lock(lock);
}
void percuss_assert_held(struct percuss_lock *lock, const char *file, int line);
#endif
