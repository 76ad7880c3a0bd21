/* SPDX-License-Identifier: GPL-2.0-only */
/* stub: no compiler quirks of an architecture */
#ifndef PERCUSS_ASM_COMPILER_H
#define PERCUSS_ASM_COMPILER_H
#endif
