/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: lockdep itself is the lock oracle of the host; assertions ask the host whether the lock is held */
#ifndef PERCUSS_LINUX_LOCKDEP_H
#define PERCUSS_LINUX_LOCKDEP_H
#include <percuss/host.h>
struct lock_class_key { };
#define lockdep_assert_held(l) percuss_assert_held(&(l)->lock, __FILE__, __LINE__)
#define lockdep_assert_held_once(l) lockdep_assert_held(l)
#define lockdep_assert(cond) do { (void)(cond); } while (0)
#define lockdep_is_held(l) PERCUSS(is_held, percuss_lock_id(&(l)->lock))
#define lockdep_set_class(l, key) do { (void)(l); } while (0)
#define might_lock(l) do { (void)(l); } while (0)
#endif
