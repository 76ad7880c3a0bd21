/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: the processor a task runs on is the host's to say */
#ifndef PERCUSS_LINUX_SMP_H
#define PERCUSS_LINUX_SMP_H
#include <percuss/host.h>
#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/list.h>
#include <linux/preempt.h>
#define raw_smp_processor_id() PERCUSS(cpu)
#define smp_processor_id() raw_smp_processor_id()
#define get_cpu() raw_smp_processor_id()
#define put_cpu() do { } while (0)
/* The lowest possible CPU boots. */
#define get_boot_cpu_id() cpumask_first(cpu_possible_mask)
#define on_each_cpu(fn, info, wait) ((void)(fn), (void)(info), percuss_loud("on_each_cpu"))
#endif
