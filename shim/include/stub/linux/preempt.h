/* SPDX-License-Identifier: GPL-2.0-only */
/* stub: tasks switch only inside host calls, so preemption cannot be seen */
#ifndef PERCUSS_LINUX_PREEMPT_H
#define PERCUSS_LINUX_PREEMPT_H
#define preempt_disable() do { } while (0)
#define preempt_enable() do { } while (0)
#define preempt_disable_notrace() do { } while (0)
#define preempt_enable_notrace() do { } while (0)
#endif
