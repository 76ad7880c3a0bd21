/* SPDX-License-Identifier: GPL-2.0-only */
/* stub: there is no thread_info; current is in linux/sched.h */
#ifndef PERCUSS_LINUX_THREAD_INFO_H
#define PERCUSS_LINUX_THREAD_INFO_H
#endif
