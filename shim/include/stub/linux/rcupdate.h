/* SPDX-License-Identifier: GPL-2.0-only */
/* stub: tasks switch only inside host calls; nothing here waits for a grace period */
#ifndef PERCUSS_LINUX_RCUPDATE_H
#define PERCUSS_LINUX_RCUPDATE_H
#include <linux/compiler.h>
#define rcu_read_lock() do { } while (0)
#define rcu_read_unlock() do { } while (0)
#define rcu_dereference(p) READ_ONCE(p)
#define rcu_assign_pointer(p, v) WRITE_ONCE(p, v)
#endif
