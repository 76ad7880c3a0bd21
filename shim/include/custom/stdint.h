/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: the ABI header asks for fixed-width types; the kernel's own serve */
#ifndef PERCUSS_STDINT_H
#define PERCUSS_STDINT_H
#include <linux/types.h>
#endif
