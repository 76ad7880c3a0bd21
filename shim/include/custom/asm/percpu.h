/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: the generic accessors; the x86 ones are relative to a segment register */
#include <asm-generic/percpu.h>
