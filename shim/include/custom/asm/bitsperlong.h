/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: the generic header would guess 32 */
#define __BITS_PER_LONG 64
#include <asm-generic/bitsperlong.h>
