/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: mutexes are calls to the host, which knows who waits and which signals are pending */
#ifndef PERCUSS_LINUX_MUTEX_H
#define PERCUSS_LINUX_MUTEX_H
#include <linux/cleanup.h>
#include <linux/errno.h>
#include <linux/lockdep.h>

struct mutex {
	struct percuss_lock lock;
};
#define __MUTEX_INITIALIZER(name) { { 0 } }
#define DEFINE_MUTEX(x) struct mutex x = __MUTEX_INITIALIZER(x); PERCUSS_STATIC_LOCK(x)
#define mutex_init(l) do { (l)->lock.id = 0; } while (0)

static __always_inline void mutex_lock(struct mutex *l)
{
	PERCUSS(mutex_lock, percuss_lock_id(&l->lock));
}
static __always_inline int __must_check mutex_lock_killable(struct mutex *l)
{
	return PERCUSS(mutex_lock_killable, percuss_lock_id(&l->lock)) ? 0 : -EINTR;
}
static __always_inline void mutex_unlock(struct mutex *l)
{
	PERCUSS(mutex_unlock, percuss_lock_id(&l->lock));
}
#define mutex_lock_interruptible(l) ((void)(l), (int)percuss_loud_ul("mutex_lock_interruptible"))
#define mutex_trylock(l) ((void)(l), (int)percuss_loud_ul("mutex_trylock"))
#define mutex_is_locked(l) ((void)(l), (bool)percuss_loud_ul("mutex_is_locked"))
#ifdef DEFINE_LOCK_GUARD_1
DEFINE_GUARD(mutex, struct mutex *, mutex_lock(_T), mutex_unlock(_T))
#endif
#endif
