/* SPDX-License-Identifier: GPL-2.0-only */
/* stub: only lib/bitmap.c asks for it, for helpers that are never called */
#ifndef PERCUSS_LINUX_DEVICE_H
#define PERCUSS_LINUX_DEVICE_H
#include <percuss/host.h>
struct device;
#define devm_add_action_or_reset(dev, action, data) ((int)percuss_loud_ul("devm_add_action_or_reset"))
#endif
