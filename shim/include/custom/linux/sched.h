/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: the current task is the host's; only its allocation flags are visible */
#ifndef PERCUSS_LINUX_SCHED_H
#define PERCUSS_LINUX_SCHED_H
#include <percuss/host.h>
#include <linux/cleanup.h>
#include <linux/smp.h>

#define PF_MEMALLOC 0x00000800
#define PF_MEMALLOC_NOFS 0x00040000
#define PF_MEMALLOC_NOIO 0x00080000

struct task_struct {
	unsigned int flags;
};

/* A copy to read from: writes to current->flags would be lost, so the pointer is to const. */
static inline const struct task_struct percuss_task(void)
{
	u32 scopes = PERCUSS(scopes);

	return (struct task_struct){ .flags = (scopes & PERCUSS_SCOPE_NOIO ? PF_MEMALLOC_NOIO : 0) |
					      (scopes & PERCUSS_SCOPE_NOFS ? PF_MEMALLOC_NOFS : 0) |
					      (scopes & PERCUSS_SCOPE_MEMALLOC ? PF_MEMALLOC : 0) };
}
#define current ((const struct task_struct[1]){ percuss_task() })

#define cond_resched() PERCUSS(cond_resched)
#define might_sleep() do { } while (0)
#define might_sleep_if(cond) do { (void)(cond); } while (0)
#define schedule() percuss_loud("schedule")
#define msleep(ms) ((void)(ms), percuss_loud("msleep"))
#define fatal_signal_pending(task) ((void)(task), (int)percuss_loud_ul("fatal_signal_pending"))
#define signal_pending(task) ((void)(task), (int)percuss_loud_ul("signal_pending"))
#define in_interrupt() ((bool)percuss_loud_ul("in_interrupt"))
#define in_task() ((bool)percuss_loud_ul("in_task"))
#endif
