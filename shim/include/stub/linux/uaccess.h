/* SPDX-License-Identifier: GPL-2.0-only */
/* stub: there is no user space */
#ifndef PERCUSS_LINUX_UACCESS_H
#define PERCUSS_LINUX_UACCESS_H
#include <percuss/host.h>
#define memdup_user_nul(src, len) ((void *)percuss_loud_ul("memdup_user_nul"))
#endif
