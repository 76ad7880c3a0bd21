/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: see linux/pgtable.h */
#include <linux/pgtable.h>
