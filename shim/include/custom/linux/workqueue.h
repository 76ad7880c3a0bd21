/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: one work item, the balance work, which the host runs; any other is loud */
#ifndef PERCUSS_LINUX_WORKQUEUE_H
#define PERCUSS_LINUX_WORKQUEUE_H
#include <percuss/host.h>

struct work_struct;
typedef void (*work_func_t)(struct work_struct *work);
struct work_struct {
	work_func_t func;
};
#define DECLARE_WORK(n, f) struct work_struct n = { .func = f }
bool percuss_schedule_work(struct work_struct *work);
static inline bool schedule_work(struct work_struct *work)
{
	return percuss_schedule_work(work);
}
#define queue_work(wq, work) percuss_schedule_work(work)
#define DECLARE_DELAYED_WORK(n, f) struct work_struct n = { .func = f }
#define schedule_delayed_work(work, delay) ((void)(work), (bool)percuss_loud_ul("schedule_delayed_work"))
#define queue_delayed_work(wq, work, delay) ((void)(work), (bool)percuss_loud_ul("queue_delayed_work"))
#define flush_work(work) ((void)(work), (bool)percuss_loud_ul("flush_work"))
#define cancel_work_sync(work) ((void)(work), (bool)percuss_loud_ul("cancel_work_sync"))
#define work_pending(work) ((void)(work), (bool)percuss_loud_ul("work_pending"))
#endif
