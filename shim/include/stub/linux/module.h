/* SPDX-License-Identifier: GPL-2.0-only */
/* stub: there are no modules */
#ifndef PERCUSS_LINUX_MODULE_H
#define PERCUSS_LINUX_MODULE_H
#include <linux/export.h>
#include <linux/init.h>
#include <linux/moduleparam.h>
#endif
