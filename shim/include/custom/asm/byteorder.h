/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: x86-64 is little endian */
#include <linux/byteorder/little_endian.h>
