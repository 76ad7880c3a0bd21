/* SPDX-License-Identifier: GPL-2.0-only */
/* stub: pr_debug stays off, as in a default config */
#ifndef PERCUSS_LINUX_DYNAMIC_DEBUG_H
#define PERCUSS_LINUX_DYNAMIC_DEBUG_H
#endif
