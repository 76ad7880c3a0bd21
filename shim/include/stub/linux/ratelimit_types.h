/* SPDX-License-Identifier: GPL-2.0-only */
/* stub: printk.h names the type, nothing is rate limited */
#ifndef PERCUSS_LINUX_RATELIMIT_TYPES_H
#define PERCUSS_LINUX_RATELIMIT_TYPES_H
struct ratelimit_state { int unused; };
#endif
